"""Table blob: one row a file of the blob directory. Its row lock is the lock of the digest.

Order of locks, for everyone: digests in ascending order, then keys in ascending order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from server.metadata.connection import Connection
from server.model.blob import Blob
from server.model.names import BlobDigest, BucketName, ObjectKey, UploadId

# A blob that waits in trash/ lives again: the writer is about to put its file in place. Size and
# CRCs are those of the writer's file; an orphan that the sweep found has a row without them. What
# was rotten is whole again: the writer's file takes its place.
_LOCK_FOR_WRITING: Final[LiteralString] = """
    INSERT INTO blob (digest, size, block_crcs)
    SELECT q.digest, q.size, q.block_crcs
      FROM unnest(%(digests)b::bytea[], %(sizes)b::bigint[], %(block_crcs)b::bytea[])
           AS q (digest, size, block_crcs)
     ORDER BY q.digest
        ON CONFLICT (digest) DO UPDATE
       SET size = EXCLUDED.size, block_crcs = EXCLUDED.block_crcs, trashed = NULL,
           rotten = NULL
"""

# FOR KEY SHARE keeps the sweep, which locks FOR UPDATE, away until a row names the blob.
_LOCK_FOR_REFERENCE: Final[LiteralString] = """
    SELECT digest FROM blob
     WHERE digest = ANY(%(digests)b::bytea[]) AND trashed IS NULL
     ORDER BY digest
       FOR KEY SHARE
"""

# By the primary key. A blob of 5 GiB has 40 KiB of CRCs.
_PAGE: Final[LiteralString] = """
    SELECT digest, size, CASE WHEN %(with_crcs)s THEN block_crcs ELSE ''::bytea END,
           trashed, seen_whole, rotten
      FROM blob
     WHERE digest > %(after)s
     ORDER BY digest
     LIMIT %(limit)s
"""

_FIND: Final[LiteralString] = """
    SELECT digest, size, block_crcs, trashed, seen_whole, rotten
      FROM blob
     WHERE digest = %(digest)s
"""

_TOTALS: Final[LiteralString] = """
    SELECT count(*), coalesce(sum(size) FILTER (WHERE trashed IS NULL), 0)::bigint FROM blob
"""

_KNOWN: Final[LiteralString] = "SELECT digest FROM blob WHERE digest = ANY(%(digests)s::bytea[])"

# Index object_version_digest; of parts: slice_digest, then object_version_manifest.
_NAMED_BY: Final[LiteralString] = """
    SELECT k.name, v.key
      FROM (SELECT bucket_id, key FROM object_version WHERE digest = %(digest)s
             UNION
            SELECT v.bucket_id, v.key
              FROM slice s
              JOIN object_version v USING (manifest_id)
             WHERE s.digest = %(digest)s) AS v
      JOIN bucket k ON k.id = v.bucket_id
     ORDER BY k.name, v.key
     LIMIT %(limit)s
"""

# Indexes slice_digest and multipart_upload_manifest. What is complete has no manifest any more.
_NAMED_BY_UPLOADS: Final[LiteralString] = """
    SELECT DISTINCT k.name, u.key, u.upload_id
      FROM slice s
      JOIN multipart_upload u USING (manifest_id)
      JOIN bucket k ON k.id = u.bucket_id
     WHERE s.digest = %(digest)s
     ORDER BY k.name, u.key, u.upload_id
     LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class BlobRecord:
    """A blob, and what is known of its file. Times are of the database."""

    blob: Blob
    trashed: datetime | None
    seen_whole: datetime | None
    rotten: datetime | None


async def page(
    conn: Connection, *, after: bytes, limit: int, with_crcs: bool
) -> Sequence[BlobRecord]:
    """Return at most limit blobs with digests above `after`, by digest; b"" comes before all."""
    values = {"after": after, "limit": limit, "with_crcs": with_crcs}
    cursor = await conn.execute(_PAGE, values, prepare=True, binary=True)
    return [_record(row) for row in await cursor.fetchall()]


async def find(conn: Connection, digest: BlobDigest) -> BlobRecord | None:
    """Return what is known of the blob, or None where it has no row."""
    row = await (await conn.execute(_FIND, {"digest": digest})).fetchone()
    return None if row is None else _record(row)


async def totals(conn: Connection) -> tuple[int, int]:
    """Return how many blobs there are, and the bytes of those that live; in a scan."""
    row = await (await conn.execute(_TOTALS)).fetchone()
    assert row is not None, "an aggregate is a row"
    return row[0], row[1]


async def known(conn: Connection, digests: Collection[BlobDigest]) -> frozenset[BlobDigest]:
    """Return those of the digests that have a row."""
    cursor = await conn.execute(_KNOWN, {"digests": list(digests)})
    return frozenset(BlobDigest(bytes(row[0])) for row in await cursor.fetchall())


async def named_by(
    conn: Connection, digest: BlobDigest, *, limit: int
) -> Sequence[tuple[BucketName, ObjectKey]]:
    """Return the objects that the blob, or a part of it, belongs to; at most limit, in order."""
    cursor = await conn.execute(_NAMED_BY, {"digest": digest, "limit": limit})
    return [(BucketName(row[0]), ObjectKey(row[1])) for row in await cursor.fetchall()]


async def named_by_uploads(
    conn: Connection, digest: BlobDigest, *, limit: int
) -> Sequence[tuple[BucketName, ObjectKey, UploadId]]:
    """Return the uploads in progress that the blob is a part of; at most limit, in order."""
    cursor = await conn.execute(_NAMED_BY_UPLOADS, {"digest": digest, "limit": limit})
    return [
        (BucketName(row[0]), ObjectKey(row[1]), UploadId(row[2])) for row in await cursor.fetchall()
    ]


async def lock_for_writing(conn: Connection, blobs: Sequence[Blob]) -> None:
    """Insert or revive the rows of these blobs, locked until the transaction ends (D3)."""
    distinct = {blob.digest: blob for blob in blobs}
    await conn.execute(
        _LOCK_FOR_WRITING,
        {
            "digests": list(distinct),
            "sizes": [blob.size for blob in distinct.values()],
            "block_crcs": [blob.block_crcs for blob in distinct.values()],
        },
        prepare=True,
        binary=True,
    )


async def lock_for_reference(conn: Connection, digests: Sequence[BlobDigest]) -> bool:
    """Return whether all these blobs are in place; they then stay until the transaction ends."""
    distinct = set(digests)
    return len(await hold_living(conn, distinct)) == len(distinct)


async def hold_living(conn: Connection, digests: Collection[BlobDigest]) -> Sequence[BlobDigest]:
    """Return those of the blobs that are in place; they stay until the transaction ends."""
    cursor = await conn.execute(
        _LOCK_FOR_REFERENCE, {"digests": list(digests)}, prepare=True, binary=True
    )
    return [BlobDigest(bytes(row[0])) for row in await cursor.fetchall()]


def _record(row: Sequence[Any]) -> BlobRecord:
    digest, size, block_crcs, trashed, seen_whole, rotten = row
    blob = Blob(BlobDigest(bytes(digest)), size, bytes(block_crcs))
    return BlobRecord(blob, trashed, seen_whole, rotten)
