"""Whether a blob is whole: what the scrub and `s3d check` ask, beside requests and the sweep."""

from collections.abc import Awaitable, Callable, Collection

from server.blobs.errors import RottenBlob
from server.blobs.inspection import FoundFile
from server.blobs.store import BlobStore
from server.metadata import blobs as blob_table
from server.metadata.store import Metadata
from server.model.blob import Blob
from server.model.names import BlobDigest


async def fault_of(
    metadata: Metadata,
    blobs: BlobStore,
    blob: Blob,
    read: Callable[[int], Awaitable[None]],
) -> str | None:
    """Return what is wrong with the file of a blob whose row said that it lives, or None.

    The whole file is read. read: as in BlobStore.read_whole.
    None, too, where the blob was released and swept meanwhile, and perhaps written again since.
    """
    try:
        if await blobs.read_whole(blob, read):
            return None
    except RottenBlob as rotten:
        return rotten.reason
    living = await files_in_place(metadata, blobs, [blob.digest])
    return "it has no file" if None in living.values() else None


async def files_in_place(
    metadata: Metadata, blobs: BlobStore, digests: Collection[BlobDigest]
) -> dict[BlobDigest, FoundFile | None]:
    """Return the files, or None, of those of the blobs that live: looked at while they must stay.

    Their rows are held meanwhile, which keeps the sweep away. Writers are not kept away, and need
    not be: a row that is seen to live was committed after its file was there, and who writes the
    bytes again replaces the file at once.
    """
    async with metadata.transaction() as conn:
        held = await blob_table.hold_living(conn, digests)
        return dict(zip(held, await blobs.find_files(held), strict=True))
