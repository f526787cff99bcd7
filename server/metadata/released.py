"""What the sweep asks: which blobs and manifests lost a reference, and have none left.

Every function works within the caller's transaction and leaves the rows it returns locked FOR
UPDATE: whoever is about to reference one of them waits, and then sees what the sweep did (D3).
Rows that somebody else has locked are left for another time.
"""

from collections.abc import Collection
from typing import Final, LiteralString

from server.metadata.connection import Connection
from server.model.names import BlobDigest

_REFERENCED: Final[LiteralString] = """
    (EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
     OR EXISTS (SELECT FROM slice s WHERE s.digest = b.digest))
"""

_LOCK_RELEASED_MANIFESTS: Final[LiteralString] = """
    SELECT m.id
      FROM manifest m
     WHERE m.id IN (SELECT manifest_id FROM released_manifest
                     WHERE released < now() - make_interval(secs => %(grace_seconds)s)
                     ORDER BY released LIMIT %(limit)s)
     ORDER BY m.id
       FOR UPDATE SKIP LOCKED
"""

# A second statement, so that its snapshot is younger than the locks of the first.
_DELETE_UNREFERENCED_MANIFESTS: Final[LiteralString] = """
    DELETE FROM manifest m
     WHERE m.id = ANY(%(ids)s::bigint[])
       AND NOT EXISTS (SELECT FROM object_version v WHERE v.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM multipart_upload u WHERE u.manifest_id = m.id)
"""

_FORGET_MANIFESTS: Final[LiteralString] = """
    DELETE FROM released_manifest r
     WHERE r.manifest_id = ANY(%(ids)s::bigint[])
        OR NOT EXISTS (SELECT FROM manifest m WHERE m.id = r.manifest_id)
"""

_LOCK_RELEASED_BLOBS: Final[LiteralString] = """
    SELECT b.digest
      FROM blob b
     WHERE b.digest IN (SELECT digest FROM released_blob ORDER BY released LIMIT %(limit)s)
     ORDER BY b.digest
       FOR UPDATE SKIP LOCKED
"""

_UNREFERENCED: Final[LiteralString] = f"""
    SELECT b.digest FROM blob b
     WHERE b.digest = ANY(%(digests)s::bytea[]) AND NOT {_REFERENCED}
"""

_MARK_TRASHED: Final[LiteralString] = """
    UPDATE blob SET trashed = now() WHERE digest = ANY(%(digests)s::bytea[]) AND trashed IS NULL
"""

_FORGET_BLOBS: Final[LiteralString] = """
    DELETE FROM released_blob r
     WHERE r.digest = ANY(%(digests)s::bytea[])
        OR NOT EXISTS (SELECT FROM blob b WHERE b.digest = r.digest)
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

_FORGET_UPLOADS: Final[LiteralString] = """
    DELETE FROM multipart_upload
     WHERE id IN (SELECT id FROM multipart_upload
                   WHERE completed < now() - make_interval(secs => %(age_seconds)s)
                   LIMIT %(limit)s)
"""


async def delete_manifests(conn: Connection, *, grace_seconds: float, limit: int) -> int:
    """Delete released manifests that nothing names; return how many releases were looked at.

    grace_seconds: how long a reader of a replaced object may still need its manifest.
    """
    cursor = await conn.execute(
        _LOCK_RELEASED_MANIFESTS, {"grace_seconds": grace_seconds, "limit": limit}
    )
    ids = [row[0] for row in await cursor.fetchall()]
    await conn.execute(_DELETE_UNREFERENCED_MANIFESTS, {"ids": ids})
    await conn.execute(_FORGET_MANIFESTS, {"ids": ids})
    return len(ids)


async def lock_released_blobs(
    conn: Connection, *, limit: int
) -> tuple[Collection[BlobDigest], Collection[BlobDigest]]:
    """Return the released digests that were locked, and those among them that nothing names."""
    cursor = await conn.execute(_LOCK_RELEASED_BLOBS, {"limit": limit})
    locked = [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]
    return locked, await _unreferenced(conn, locked)


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


async def forget_released(conn: Connection, digests: Collection[BlobDigest]) -> None:
    """Forget the releases of these locked blobs, which were looked at, and of blobs long gone."""
    await conn.execute(_FORGET_BLOBS, {"digests": list(digests)})


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


async def forget_completed_uploads(conn: Connection, *, age_seconds: float, limit: int) -> int:
    """Forget uploads that were completed so long ago; return how many."""
    values = {"age_seconds": age_seconds, "limit": limit}
    return (await conn.execute(_FORGET_UPLOADS, values)).rowcount
