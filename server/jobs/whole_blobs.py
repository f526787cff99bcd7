"""Whether a blob is whole: what the scrub and `s3d check` ask, beside requests and the sweep."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from server.blobs.errors import RottenBlob, StorageError
from server.blobs.inspection import FoundFile
from server.blobs.store import BlobStore
from server.metadata import blobs as blob_table
from server.metadata import released, scrubs
from server.metadata.store import Metadata
from server.model.blob import Blob
from server.model.names import BlobDigest


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the file of a blob. file: the one that was read, if it is found."""

    reason: str
    file: FoundFile | None


async def fault_of(
    metadata: Metadata,
    blobs: BlobStore,
    blob: Blob,
    read: Callable[[int], Awaitable[None]],
) -> Fault | None:
    """Return what is wrong with the file of a blob whose row said that it lives, or None.

    The whole file is read; where a writer has replaced it meanwhile, so is the new one. read: as in
    BlobStore.read_whole. None, too, where the blob was released and swept meanwhile.
    """
    while True:
        file = await _file_of(blobs, blob.digest)
        try:
            if await blobs.read_whole(blob, read):
                return None
            reason = "it has no file"
        except RottenBlob as rotten:
            reason = rotten.reason
        async with metadata.transaction() as conn:
            if not await blob_table.hold_living(conn, [blob.digest]):
                return None
            if await _file_of(blobs, blob.digest) == file:
                return Fault(reason, file)


async def note_rotten(
    metadata: Metadata, blobs: BlobStore, digest: BlobDigest, fault: Fault
) -> bool:
    """Return whether it was noted that the blob is rotten: not where its file is another by now.

    Else a note that comes after that of a writer would say of his file what was seen of the old
    one. A row that somebody else has locked is left for another time.
    """
    async with metadata.transaction() as conn:
        if not await released.lock_in_place(conn, [digest]):
            return False
        # A writer was before us, and his file is there, or waits.
        if await _file_of(blobs, digest) != fault.file:
            return False
        return await scrubs.seen_rotten(conn, [digest]) > 0


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


async def _file_of(blobs: BlobStore, digest: BlobDigest) -> FoundFile | None:
    # Of one that the disk cannot even look at, reading says more. It is the same the next time.
    with suppress(StorageError):
        [file] = await blobs.find_files([digest])
        return file
    return None
