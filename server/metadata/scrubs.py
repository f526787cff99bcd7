"""What the scrub asks and notes: which blob was not seen for the longest, and what became of it.

A note skips rows which somebody else has locked: a blob that is written or swept at this moment is
looked at another time, and no request waits for the scrub longer than for one look at a file.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique
from types import MappingProxyType
from typing import Final, LiteralString

from server.metadata.connection import Connection
from server.model.blob import Blob
from server.model.names import BlobDigest

# Each is a range of an index, so that where nothing is due nothing is looked through. Those that
# are equal come in the order of their rows.
_NEVER_SEEN: Final[LiteralString] = """
    SELECT digest, size, block_crcs
      FROM blob
     WHERE trashed IS NULL AND rotten IS NULL AND seen_whole IS NULL
     ORDER BY seen_whole NULLS FIRST
     LIMIT %(limit)s OFFSET %(passing)s
"""

_SEEN_LONG_AGO: Final[LiteralString] = """
    SELECT digest, size, block_crcs
      FROM blob
     WHERE trashed IS NULL AND rotten IS NULL
       AND seen_whole < now() - make_interval(secs => %(every_seconds)s)
     ORDER BY seen_whole NULLS FIRST
     LIMIT %(limit)s OFFSET %(passing)s
"""

_ROTTEN: Final[LiteralString] = """
    SELECT digest, size, block_crcs
      FROM blob
     WHERE trashed IS NULL
       AND rotten < now() - make_interval(secs => %(every_seconds)s)
     ORDER BY rotten
     LIMIT %(limit)s OFFSET %(passing)s
"""

_LOCKED: Final[LiteralString] = """
    (SELECT digest FROM blob
      WHERE digest = ANY(%(digests)s::bytea[]) AND trashed IS NULL
      ORDER BY digest
        FOR NO KEY UPDATE SKIP LOCKED)
"""

_SEEN_WHOLE: Final[LiteralString] = f"""
    UPDATE blob SET seen_whole = now(), rotten = NULL WHERE digest IN {_LOCKED}
"""

_SEEN_ROTTEN: Final[LiteralString] = f"UPDATE blob SET rotten = now() WHERE digest IN {_LOCKED}"

_STATUS: Final[LiteralString] = """
    SELECT count(*) FILTER (WHERE seen_whole IS NULL), min(seen_whole),
           count(*) FILTER (WHERE rotten IS NOT NULL)
      FROM blob
     WHERE trashed IS NULL
"""


@unique
class Kind(Enum):
    """What the scrub knows of a blob, each kind with an order of its own."""

    NeverSeen = "never seen"
    SeenLongAgo = "seen long ago"
    Rotten = "rotten"


_DUE: Final[Mapping[Kind, LiteralString]] = MappingProxyType(
    {
        Kind.NeverSeen: _NEVER_SEEN,
        Kind.SeenLongAgo: _SEEN_LONG_AGO,
        Kind.Rotten: _ROTTEN,
    }
)


@dataclass(frozen=True, slots=True)
class ScrubStatus:
    """How far the scrub is: blobs it never saw whole, the oldest look, blobs it found rotten."""

    never_seen: int
    oldest: datetime | None
    rotten: int


async def due(
    conn: Connection, kind: Kind, *, every_seconds: float, limit: int, passing: int
) -> Sequence[Blob]:
    """Return blobs of the kind that were not looked at for so long, the oldest look first.

    passing: so many of those that come first are left out.
    """
    values = {"every_seconds": every_seconds, "limit": limit, "passing": passing}
    cursor = await conn.execute(_DUE[kind], values)
    return [
        Blob(BlobDigest(bytes(row[0])), row[1], bytes(row[2])) for row in await cursor.fetchall()
    ]


async def seen_whole(conn: Connection, digests: Collection[BlobDigest]) -> int:
    """Note that the files of these blobs are whole now; a repaired one is not rotten any more.

    Returns of how many it was noted.
    """
    return (await conn.execute(_SEEN_WHOLE, {"digests": list(digests)})).rowcount


async def seen_rotten(conn: Connection, digests: Collection[BlobDigest]) -> int:
    """Note that the files of these blobs are rotten or lost now; return of how many."""
    return (await conn.execute(_SEEN_ROTTEN, {"digests": list(digests)})).rowcount


async def status(conn: Connection) -> ScrubStatus:
    """Return how far the scrub is; reads every row of the table, in the caller's scan."""
    row = await (await conn.execute(_STATUS)).fetchone()
    assert row is not None, "an aggregate is a row"
    return ScrubStatus(never_seen=row[0], oldest=row[1], rotten=row[2])
