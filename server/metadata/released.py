"""What the sweep asks: which blobs and manifests lost a reference, and have none left.

Every function works within the caller's transaction and leaves the rows it returns locked FOR
UPDATE: whoever is about to reference one of them waits, and then sees what the sweep did (D3).
Rows that somebody else has locked are left for another time.

A release is forgotten before references are searched for, never after: one that is committed in
between, by a delete that locks no blob, then stays for the next time.
"""

from collections.abc import Collection, Sequence
from typing import Final, LiteralString

from server.metadata.connection import Connection
from server.model.names import BlobDigest

_REFERENCED: Final[LiteralString] = """
    (EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
     OR EXISTS (SELECT FROM slice s WHERE s.digest = b.digest))
"""

# A row stays where it is as long as it is locked, so its ctid names it.
_RELEASED_MANIFESTS: Final[LiteralString] = """
    SELECT ctid::text, manifest_id
      FROM released_manifest
     WHERE released < now() - make_interval(secs => %(grace_seconds)s)
     ORDER BY released
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
"""

_LOCK_MANIFESTS: Final[LiteralString] = """
    SELECT id FROM manifest WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
"""

_FORGET_MANIFESTS: Final[LiteralString] = """
    DELETE FROM released_manifest r
     WHERE r.ctid = ANY(%(ctids)s::text[]::tid[])
       AND (r.manifest_id = ANY(%(ids)s::bigint[])
            OR NOT EXISTS (SELECT FROM manifest m WHERE m.id = r.manifest_id))
"""

# A release that is left is a younger one, of a copy perhaps: its readers have their grace, too.
_DELETE_UNREFERENCED_MANIFESTS: Final[LiteralString] = """
    DELETE FROM manifest m
     WHERE m.id = ANY(%(ids)s::bigint[])
       AND NOT EXISTS (SELECT FROM released_manifest r WHERE r.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM object_version v WHERE v.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM multipart_upload u WHERE u.manifest_id = m.id)
"""

_RELEASED_BLOBS: Final[LiteralString] = """
    SELECT ctid::text, digest
      FROM released_blob
     ORDER BY released
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
"""

_LOCK_BLOBS: Final[LiteralString] = """
    SELECT digest FROM blob
     WHERE digest = ANY(%(digests)s::bytea[])
     ORDER BY digest
       FOR UPDATE SKIP LOCKED
"""

_FORGET_BLOBS: Final[LiteralString] = """
    DELETE FROM released_blob r
     WHERE r.ctid = ANY(%(ctids)s::text[]::tid[])
       AND (r.digest = ANY(%(digests)s::bytea[])
            OR NOT EXISTS (SELECT FROM blob b WHERE b.digest = r.digest))
"""

_UNREFERENCED: Final[LiteralString] = f"""
    SELECT b.digest FROM blob b
     WHERE b.digest = ANY(%(digests)s::bytea[]) AND NOT {_REFERENCED}
"""

_MARK_TRASHED: Final[LiteralString] = """
    UPDATE blob SET trashed = now() WHERE digest = ANY(%(digests)s::bytea[]) AND trashed IS NULL
"""

_LOCK_TRASHED: Final[LiteralString] = """
    SELECT b.digest
      FROM blob b
     WHERE b.trashed < now() - make_interval(secs => %(grace_seconds)s)
     ORDER BY b.trashed
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
"""

_REVIVE: Final[LiteralString] = """
    UPDATE blob SET trashed = NULL WHERE digest = ANY(%(digests)s::bytea[])
"""

_DELETE_BLOBS: Final[LiteralString] = "DELETE FROM blob WHERE digest = ANY(%(digests)s::bytea[])"

# The row that an orphan file gets is locked like any other, and marked as in trash/ from the start.
_ADOPT_ORPHANS: Final[LiteralString] = """
    INSERT INTO blob (digest, size, block_crcs, trashed)
    SELECT q.digest, 0, ''::bytea, now()
      FROM unnest(%(digests)s::bytea[]) AS q (digest)
     ORDER BY q.digest
        ON CONFLICT (digest) DO NOTHING
    RETURNING digest
"""

_LOCK_IN_PLACE: Final[LiteralString] = """
    SELECT digest FROM blob
     WHERE digest = ANY(%(digests)s::bytea[]) AND trashed IS NULL
     ORDER BY digest
       FOR UPDATE SKIP LOCKED
"""

_SOME_IN_PLACE: Final[LiteralString] = """
    SELECT digest FROM blob WHERE trashed IS NULL LIMIT %(limit)s
"""

# The root account is made at the first start and is never removed; a restore keeps its time.
_BEGAN: Final[LiteralString] = "SELECT extract(epoch FROM min(created))::float8 FROM account"

_RELEASE: Final[LiteralString] = "INSERT INTO released_blob (digest) VALUES (%(digest)s)"

_FORGET_UPLOADS: Final[LiteralString] = """
    DELETE FROM multipart_upload
     WHERE id IN (SELECT id FROM multipart_upload
                   WHERE completed < now() - make_interval(secs => %(age_seconds)s)
                   LIMIT %(limit)s)
"""


async def delete_manifests(conn: Connection, *, grace_seconds: float, limit: int) -> int:
    """Delete released manifests that nothing names; return how many releases are done with.

    grace_seconds: how long a reader of a replaced object may still need its manifest.
    """
    cursor = await conn.execute(
        _RELEASED_MANIFESTS, {"grace_seconds": grace_seconds, "limit": limit}
    )
    released = await cursor.fetchall()
    cursor = await conn.execute(_LOCK_MANIFESTS, {"ids": [row[1] for row in released]})
    ids = [row[0] for row in await cursor.fetchall()]
    values = {"ids": ids, "ctids": [row[0] for row in released]}
    forgotten = (await conn.execute(_FORGET_MANIFESTS, values)).rowcount
    await conn.execute(_DELETE_UNREFERENCED_MANIFESTS, {"ids": ids})
    return forgotten


async def lock_released_blobs(
    conn: Connection, *, limit: int
) -> tuple[int, Collection[BlobDigest]]:
    """Return how many releases are done with, and the digests, locked, that nothing names now."""
    released = await (await conn.execute(_RELEASED_BLOBS, {"limit": limit})).fetchall()
    cursor = await conn.execute(_LOCK_BLOBS, {"digests": [row[1] for row in released]})
    locked = [row[0] for row in await cursor.fetchall()]
    values = {"digests": locked, "ctids": [row[0] for row in released]}
    forgotten = (await conn.execute(_FORGET_BLOBS, values)).rowcount
    return forgotten, await _unreferenced(conn, [BlobDigest(digest) for digest in locked])


async def lock_trashed_blobs(
    conn: Connection, *, grace_seconds: float, limit: int
) -> tuple[Collection[BlobDigest], Collection[BlobDigest]]:
    """Return the digests in trash/ that were locked, and those among them that nothing names."""
    cursor = await conn.execute(_LOCK_TRASHED, {"grace_seconds": grace_seconds, "limit": limit})
    locked = [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]
    return locked, await _unreferenced(conn, locked)


async def _unreferenced(conn: Connection, locked: Collection[BlobDigest]) -> Collection[BlobDigest]:
    cursor = await conn.execute(_UNREFERENCED, {"digests": list(locked)})
    return [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]


async def mark_trashed(conn: Connection, digests: Collection[BlobDigest]) -> None:
    """Note that the files of these locked blobs lie in trash/ now."""
    await conn.execute(_MARK_TRASHED, {"digests": list(digests)})


async def revive(conn: Connection, digests: Collection[BlobDigest]) -> None:
    """Note that these locked blobs are back at their place."""
    await conn.execute(_REVIVE, {"digests": list(digests)})


async def delete_blobs(conn: Connection, digests: Collection[BlobDigest]) -> None:
    """Delete the rows of these locked blobs, whose files are gone."""
    await conn.execute(_DELETE_BLOBS, {"digests": list(digests)})


async def adopt_orphans(
    conn: Connection, digests: Collection[BlobDigest]
) -> Collection[BlobDigest]:
    """Return those of the digests that had no row; they now have one, locked, in trash/."""
    cursor = await conn.execute(_ADOPT_ORPHANS, {"digests": list(digests)})
    return [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]


async def some_in_place(conn: Connection, *, limit: int) -> Sequence[BlobDigest]:
    """Return a few blobs whose files should be at their place."""
    cursor = await conn.execute(_SOME_IN_PLACE, {"limit": limit})
    return [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]


async def began(conn: Connection) -> float | None:
    """Return when the database was first used, in seconds since the epoch; None: not yet."""
    row = await (await conn.execute(_BEGAN)).fetchone()
    return row[0] if row else None


async def lock_in_place(
    conn: Connection, digests: Collection[BlobDigest]
) -> Collection[BlobDigest]:
    """Return those of the digests, locked, whose files should be at their place."""
    cursor = await conn.execute(_LOCK_IN_PLACE, {"digests": list(digests)})
    return [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]


async def release(conn: Connection, digest: BlobDigest) -> None:
    """Let the sweep look whether anything names the blob; for what was published in vain."""
    await conn.execute(_RELEASE, {"digest": digest})


async def forget_completed_uploads(conn: Connection, *, age_seconds: float, limit: int) -> int:
    """Forget uploads that were completed so long ago; return how many."""
    values = {"age_seconds": age_seconds, "limit": limit}
    return (await conn.execute(_FORGET_UPLOADS, values)).rowcount
