"""Small bodies in their rows, all of them: for who reads everything again."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, LiteralString

from server.metadata.connection import Connection
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.names import ETag

# A body may have 512 KiB.
_FETCHED: Final = 64

_ALL: Final[LiteralString] = """
    SELECT coalesce(k.name, 'bucket ' || v.bucket_id) || '/' || v.key, v.body, v.etag,
           v.checksum_algorithm, v.checksum_type, v.checksum
      FROM object_version v
      LEFT JOIN bucket k ON k.id = v.bucket_id
     WHERE v.body IS NOT NULL
"""

_COUNT: Final[LiteralString] = "SELECT count(*) FROM object_version WHERE body IS NOT NULL"


@dataclass(frozen=True, slots=True)
class InlineObject:
    """A body in its row, and what was said of it when it was written. name: BUCKET/KEY."""

    name: str
    data: bytes
    etag: ETag
    checksum: Checksum | None


async def count(conn: Connection) -> int:
    """Return how many there are; in a scan."""
    row = await (await conn.execute(_COUNT)).fetchone()
    assert row is not None, "a count is a row"
    return int(row[0])


async def everyone(conn: Connection) -> AsyncGenerator[InlineObject, None]:
    """Yield all of one snapshot, in no order, in a scan of the caller's for it."""
    async with conn.cursor(name="inline_bodies", binary=True) as cursor:
        cursor.itersize = _FETCHED
        await cursor.execute(_ALL)
        async for name, data, etag, algorithm, kind, value in cursor:
            checksum = None
            if value is not None:
                checksum = Checksum(ChecksumAlgorithm(algorithm), ChecksumType(kind), value)
            yield InlineObject(name, bytes(data), ETag(etag), checksum)
