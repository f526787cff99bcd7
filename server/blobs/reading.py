"""Reading slices of blobs, every block checked before a byte of it is handed out: D9."""

import os
from collections.abc import AsyncGenerator
from concurrent.futures import Executor, Future
from types import TracebackType

from server.blobs.errors import RottenBlock
from server.blobs.files import close, disk_errors
from server.blobs.layout import Layout
from server.blobs.threads import ended, run
from server.model.blob import BLOCK_BYTES, BLOCK_CRC_BYTES, Slice
from server.rules.checksums import verify_block


class OpenSlice:
    """A slice whose file is open and whose first block is read and verified.

    What it opened it keeps: the sweep may take the file away meanwhile. Holds at most two blocks
    (2 MiB), and whatever of what it yielded its reader still holds. Whoever opens it closes it.
    """

    def __init__(self, layout: Layout, part: Slice, threads: Executor) -> None:
        self._layout = layout
        self._part = part
        self._threads = threads
        self._blocks = range(
            part.offset // BLOCK_BYTES, -(-(part.offset + part.length) // BLOCK_BYTES)
        )
        self._fd: int | None = None
        self._first = memoryview(b"")
        self._ahead: Future[memoryview] | None = None

    async def open(self) -> bool:
        """Open the file, in its shard or in trash/; return False where neither has it.

        Raises RottenBlock where the file has another size or the first block is rotten, and
        StorageError where the disk fails.
        """
        return await run(self._threads, self._open)

    async def pieces(self) -> AsyncGenerator[memoryview, None]:
        """Yield the bytes of the slice, a block or the part of one at a time. To be used once.

        The next block is read while the caller sends this one. No buffer is used again: a transport
        may still hold what it was given. Raises RottenBlock in place of the first rotten block.
        """
        piece, self._first = self._first, memoryview(b"")
        for block in self._blocks[1:]:
            self._ahead = self._threads.submit(self._read, block)
            yield piece
            # Not held while the next is waited for.
            del piece
            (read,) = await ended(self._ahead)
            piece = read.result()
            del read
        yield piece

    async def close(self) -> None:
        """Let go of the file. May be called again."""
        try:
            if self._ahead is not None:
                await ended(self._ahead)
        finally:
            if self._fd is not None:
                # In a thread: closing a file that was unlinked meanwhile frees its blocks.
                await run(self._threads, self._close)

    async def __aenter__(self) -> "OpenSlice":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _open(self) -> bool:
        blob = self._part.blob
        with disk_errors("open a blob"):
            self._fd = self._open_file()
            if self._fd is None:
                return False
            size = os.fstat(self._fd).st_size
            if size != blob.size:
                reason = f"the file has {size} bytes instead of {blob.size}"
                raise RottenBlock(blob.digest, min(size, blob.size) // BLOCK_BYTES, reason)
            if len(self._blocks) > 1:
                os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self._first = self._read(self._blocks[0])
        if len(self._blocks) == 1:
            self._close()
        return True

    def _open_file(self) -> int | None:
        digest = self._part.blob.digest
        living = self._layout.blob(digest)
        # The shard again after trash/: a restored blob leaves trash/ once it is back in its shard.
        for path in (living, self._layout.trashed(digest), living):
            try:
                return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
        return None

    def _read(self, block: int) -> memoryview:
        blob, start = self._part.blob, block * BLOCK_BYTES
        length = min(BLOCK_BYTES, blob.size - start)
        with disk_errors("read a blob"):
            assert self._fd is not None
            data = os.pread(self._fd, length, start)
        if len(data) != length:
            raise RottenBlock(blob.digest, block, f"{len(data)} bytes were read of {length}")
        crc_at = block * BLOCK_CRC_BYTES
        if not verify_block(data, blob.block_crcs[crc_at : crc_at + BLOCK_CRC_BYTES]):
            raise RottenBlock(blob.digest, block, "its CRC64NVME is another")
        first = max(self._part.offset - start, 0)
        return memoryview(data)[first : self._part.offset + self._part.length - start]

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            close(fd)
