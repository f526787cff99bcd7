"""The blob directory of a node: immutable files named by the SHA-256 of what they hold."""

import os
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

from server.blobs import inspection, sweep, trash
from server.blobs.errors import DiskFull, NodeReadOnly, StorageError
from server.blobs.files import disk_errors, fsync_directories
from server.blobs.inspection import FoundFile, WholeRead
from server.blobs.layout import SHARDS, Layout, existing_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.reading import OpenSlice
from server.blobs.receiving import (
    PIECE_BYTES,
    BodyReceiver,
    IncomingBody,
    ReceivedBlob,
)
from server.blobs.staging import StagedFile
from server.blobs.threads import run
from server.model.blob import Blob, Slice
from server.model.names import BlobDigest

Found = TypeVar("Found")

RESERVE_BYTES = 64 << 20
_FREE_SPACE_SECONDS = 1.0
_SWEEP_BATCH = 1000


class BlobStore:
    """Puts bodies into the directory, reads slices of them, and takes blobs away.

    Blocking work runs in threads of its own, those that read apart from those that write, so that a
    disk busy with fsyncs does not hold up a GetObject. A cancelled caller waits until its thread is
    done. Every method may raise StorageError.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        inline_limit: int,
        threads: int,
        read_only: ReadOnlyFlag,
        reserve_bytes: int,
    ) -> None:
        self.layout = layout
        self._inline_limit = inline_limit
        self._read_only = read_only
        self._reserve_bytes = reserve_bytes
        self._free_bytes = 0
        self._free_bytes_expire = 0.0
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="blob-read")
        self._writers = ThreadPoolExecutor(threads, thread_name_prefix="blob-write")

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        inline_limit: int,
        threads: int,
        read_only: ReadOnlyFlag,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> "BlobStore":
        """Return the store of a blob directory, which must be there already. Blocking.

        inline_limit: bytes up to which a body stays in memory, 0 to PIECE_BYTES; such a body is
                      hashed on the event loop.
        threads:      how many read, and as many that write.
        read_only:    made before the processes of the node part.

        Starts no thread, so the process may fork afterwards. Raises BlobLayoutError.
        """
        if not 0 <= inline_limit <= PIECE_BYTES:
            raise ValueError(f"inline_limit is {inline_limit}, not 0 to {PIECE_BYTES}")
        return cls(
            existing_layout(root),
            inline_limit=inline_limit,
            threads=threads,
            read_only=read_only,
            reserve_bytes=reserve_bytes,
        )

    def close(self) -> None:
        """Stop the threads, after what they are doing. Blocking."""
        self._readers.shutdown()
        self._writers.shutdown()

    def refuse_when_read_only(self) -> None:
        """Raise NodeReadOnly where an fsync has failed in any process of this node: D6."""
        if self._read_only.is_set:
            raise NodeReadOnly

    async def reject_when_low(self, length: int) -> None:
        """Raise DiskFull where so many bytes more would eat into the reserve.

        Free space is looked at once a second; what is reserved for bodies on their way in counts as
        used.
        """
        if time.monotonic() >= self._free_bytes_expire:
            self._free_bytes = await run(self._readers, self._look_at_free_bytes)
            self._free_bytes_expire = time.monotonic() + _FREE_SPACE_SECONDS
        if self._free_bytes - length < self._reserve_bytes:
            raise DiskFull(
                f"{self._free_bytes} bytes are free; {length} more would leave less than the"
                f" reserve of {self._reserve_bytes}"
            )

    def receive(self, body: IncomingBody) -> BodyReceiver:
        """Return the context of a body that is read to its end and verified.

        What lies in a file is durable. Leaving the context removes the file unless it was
        published, so it stays open until publish has returned, also when the request is cancelled
        meanwhile.

        Entering raises what the body raises, and for a body too large for its row NodeReadOnly,
        DiskFull, FsyncFailed.
        """
        return self._receiver(body, self._inline_limit)

    @asynccontextmanager
    async def receive_blob(self, body: IncomingBody) -> AsyncIterator[ReceivedBlob]:
        """Do as receive(), but keep even the smallest body in a file: for parts of uploads."""
        async with self._receiver(body, -1) as received:
            assert isinstance(received, ReceivedBlob), "no body has less than no bytes"
            yield received

    def _receiver(self, body: IncomingBody, inline_limit: int) -> BodyReceiver:
        return BodyReceiver(
            body,
            self._writers,
            inline_limit=inline_limit,
            admit=self._refuse_what_has_no_place,
            stage=self._stage,
        )

    def _stage(self, length: int | None) -> StagedFile:
        return StagedFile(self.layout.staging, self._read_only, length=length)

    async def publish(self, received: Sequence[ReceivedBlob]) -> None:
        """Give the bodies their names, durably: invariant D1. To be called before COMMIT.

        The rows of their digests are locked by the caller: the sweep must not see them now. May be
        called again for the same bodies, when a transaction is tried again. Unlinks nothing.

        Raises NodeReadOnly, FsyncFailed.
        """
        await run(self._writers, self._publish, received)

    async def open_slice(self, part: Slice) -> OpenSlice | None:
        """Return the slice, open and with its first block verified, or None where there is no file.

        None: the blob may have been released and swept since its row was read; look at the row
        again. Raises RottenBlock.
        """
        opened = OpenSlice(self.layout, part, self._readers)
        try:
            is_there = await opened.open()
        except BaseException:
            await opened.close()
            raise
        return opened if is_there else None

    async def trash(self, digests: Collection[BlobDigest]) -> None:
        """Move the blobs into trash/, durably; the caller holds their rows locked. See trash.py.

        Raises NodeReadOnly, FsyncFailed.
        """
        self.refuse_when_read_only()
        await run(self._writers, trash.trash, self.layout, digests, self._read_only)

    async def restore(self, digests: Collection[BlobDigest]) -> frozenset[BlobDigest]:
        """Bring the blobs back out of trash/, durably; the caller holds their rows locked.

        Returns the digests that neither their shard nor trash/ has.

        Raises NodeReadOnly, FsyncFailed.
        """
        self.refuse_when_read_only()
        return await run(self._writers, trash.restore, self.layout, digests, self._read_only)

    async def unlink_trashed(self, digests: Collection[BlobDigest]) -> None:
        """Unlink the blobs' copies in trash/; the caller holds their rows locked, or no row exists.

        Raises NodeReadOnly.
        """
        self.refuse_when_read_only()
        await run(self._writers, trash.unlink_trashed, self.layout, digests)

    def old_blobs(
        self, *, changed_before: float, shards: Iterable[str] = SHARDS
    ) -> AsyncIterator[list[BlobDigest]]:
        """Yield batches of the blobs published before that time. See sweep.old_blobs."""
        found = sweep.old_blobs(self.layout, changed_before=changed_before, shards=shards)
        return self._batches(found)

    def old_trash(self, *, changed_before: float) -> AsyncIterator[list[BlobDigest]]:
        """Yield batches of the blobs that lie in trash/ since before that time."""
        return self._batches(sweep.old_trash(self.layout, changed_before=changed_before))

    def foreign_files(self, directory: Path) -> AsyncIterator[list[Path]]:
        """Yield batches of what lies in the directory and does not belong there. See sweep.py."""
        return self._batches(sweep.foreign_files(self.layout, directory))

    def unlocked_staging(self) -> AsyncIterator[list[Path]]:
        """Yield batches of the staged files that nobody holds. See inspection.unlocked_staging."""
        return self._batches(inspection.unlocked_staging(self.layout))

    async def still_unlocked(self, paths: Collection[Path]) -> list[Path]:
        """Return those of the staged files that are there still, and that nobody holds."""
        return await run(self._readers, inspection.still_unlocked, paths)

    async def find_files(self, digests: Collection[BlobDigest]) -> list[FoundFile | None]:
        """Return the file of each blob, in order; None where neither its shard nor trash/ has one.

        What a transaction under way moves, it may miss, unless the caller holds the digests' rows.
        """
        return await run(self._readers, inspection.find_files, self.layout, digests)

    async def has_any(self, digests: Collection[BlobDigest]) -> bool:
        """Return whether any of the blobs has a file, in its shard or in trash/."""
        return await run(self._readers, inspection.has_any, self.layout, digests)

    async def read_whole(self, blob: Blob, read: Callable[[int], Awaitable[None]]) -> bool:
        """Read and verify all of the blob; return False where it has no file. See WholeRead.

        read: awaited after each block with its bytes: to set the pace, or to show it.

        Raises RottenBlob.
        """
        reading = WholeRead(self.layout, blob)
        try:
            if not await run(self._readers, reading.open):
                return False
            while length := await run(self._readers, reading.step):
                await read(length)
        finally:
            await run(self._readers, reading.close)
        return True

    async def remove_stale_staging(self) -> int:
        """Return how many staged files of dead writers were removed. See sweep.py."""
        return await run(self._writers, sweep.remove_stale_staging, self.layout)

    async def _batches(self, found: Generator[Found, None, None]) -> AsyncIterator[list[Found]]:
        try:
            while batch := await run(self._writers, list, islice(found, _SWEEP_BATCH)):
                yield batch
        finally:
            found.close()

    def _publish(self, received: Sequence[ReceivedBlob]) -> None:
        self.refuse_when_read_only()
        again = []
        for body in received:
            digest = body.blob.digest
            if body.staged.is_published:
                again.append(digest)
            else:
                # Always, also when the blob is there: its content is equal, and where the copy that
                # is there has rotted this repairs it.
                body.staged.publish(self.layout.blob(digest))
        # The new name lives in the directory. Without this a power cut could keep the row that
        # PostgreSQL made durable and lose the file it names: D1.
        shards = [self.layout.shard(body.blob.digest) for body in received]
        fsync_directories(shards, self._read_only)
        # Between two tries of a transaction the digest was not locked: the sweep may have come.
        if lost := trash.restore(self.layout, again, self._read_only):
            raise StorageError(f"published blobs are gone: {sorted(d.hex() for d in lost)}")

    def _look_at_free_bytes(self) -> int:
        with disk_errors("look at the free space"):
            status = os.statvfs(self.layout.root)
        return status.f_bavail * status.f_frsize

    async def _refuse_what_has_no_place(self, length: int) -> None:
        # Before the body is asked for: a client that waits for "100 Continue" keeps its bytes.
        self.refuse_when_read_only()
        await self.reject_when_low(length)
