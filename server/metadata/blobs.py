"""Table blob: one row a file of the blob directory. Its row lock is the lock of the digest.

Order of locks, for everyone: digests in ascending order, then keys in ascending order.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from server.metadata.connection import Connection
from server.model.blob import Blob
from server.model.names import BlobDigest

# A blob that waits in trash/ lives again: the writer is about to put its file in place. Size and
# CRCs are those of the writer's file; an orphan that the sweep found has a row without them.
_LOCK_FOR_WRITING: Final[LiteralString] = """
    INSERT INTO blob (digest, size, block_crcs)
    SELECT q.digest, q.size, q.block_crcs
      FROM unnest(%(digests)b::bytea[], %(sizes)b::bigint[], %(block_crcs)b::bytea[])
           AS q (digest, size, block_crcs)
     ORDER BY q.digest
        ON CONFLICT (digest) DO UPDATE
       SET size = EXCLUDED.size, block_crcs = EXCLUDED.block_crcs, trashed = NULL
"""

# FOR KEY SHARE keeps the sweep, which locks FOR UPDATE, away until a row names the blob.
_LOCK_FOR_REFERENCE: Final[LiteralString] = """
    SELECT digest FROM blob
     WHERE digest = ANY(%(digests)b::bytea[]) AND trashed IS NULL
     ORDER BY digest
       FOR KEY SHARE
"""


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
    cursor = await conn.execute(
        _LOCK_FOR_REFERENCE, {"digests": list(distinct)}, prepare=True, binary=True
    )
    return len(await cursor.fetchall()) == len(distinct)
