"""A file on its way in: written in staging/, published by a rename or removed."""

import fcntl
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from server.blobs.errors import NodeReadOnly, StorageError
from server.blobs.files import close, disk_errors, fsync, preallocate, write_all
from server.blobs.read_only import ReadOnlyFlag

# After each such stretch the kernel is told to begin writing it out. Measured on 1 GiB that arrives
# at 400 MB/s: the fsync at its end falls from 0.4 s to 0.01 s, and the writes cost the same.
WRITEBACK_BYTES = 8 << 20


class _Open(NamedTuple):
    path: Path
    fd: int


class StagedFile:
    """One file in staging/ that nobody else can name, made by the first write.

    It is held under flock for as long as it is open, so the sweep can tell the file of a living
    writer from that of a dead one, on whichever node it ran. The methods block. discard may meet
    publish in another thread, when the request that owns the file is cancelled.
    """

    def __init__(self, staging: Path, read_only: ReadOnlyFlag, *, length: int | None) -> None:
        self._staging = staging
        self._read_only = read_only
        self._length = length  # bytes to reserve on the disk; None when unknown
        self._file: _Open | None = None
        self._written = 0
        self._published = False
        self._mutex = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Return whether there is anything to discard."""
        return self._file is not None

    @property
    def is_published(self) -> bool:
        """Return whether the file has its name."""
        return self._published

    def write(self, data: bytes) -> None:
        """Append the bytes. Raises NodeReadOnly, DiskFull, StorageError."""
        with disk_errors("write a body"):
            if self._file is None:
                self._open()
            fd = self._opened().fd
            write_all(fd, data)
            start = self._written - self._written % WRITEBACK_BYTES
            self._written += len(data)
            end = self._written - self._written % WRITEBACK_BYTES
            if end > start:
                # DONTNEED begins the write-out of dirty pages, and keeps them in the page cache.
                os.posix_fadvise(fd, start, end - start, os.POSIX_FADV_DONTNEED)

    def fsync(self) -> None:
        """Make the bytes durable. Raises FsyncFailed, after turning the node read-only."""
        fsync(self._opened().fd, self._read_only)

    def publish(self, target: Path, *, may_replace: bool = True) -> None:
        """Give the file its name, replacing what has it; the directory is the caller's to fsync.

        may_replace: where it is False and something has the name, that stays, and nothing is done.

        Raises StorageError, also when the file was discarded before.
        """
        with self._mutex, disk_errors(f"publish {target.name}"):
            if may_replace:
                os.rename(self._opened().path, target)
                self._published = True
            else:
                with suppress(FileExistsError):
                    os.link(self._opened().path, target)

    def discard(self) -> None:
        """Remove the file unless it was published, and let go of it. May be called again.

        Never raises OSError: what cannot be removed now, the sweep of stale staging files removes.
        """
        with self._mutex:
            file, self._file = self._file, None
            if file is None:
                return
            with suppress(OSError):
                if not self._published:
                    os.unlink(file.path)
            close(file.fd)

    def _opened(self) -> _Open:
        if self._file is None:
            raise StorageError("the staged file was discarded, or never written")
        return self._file

    def _open(self) -> None:
        if self._read_only.is_set:
            raise NodeReadOnly
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            path = self._staging / secrets.token_hex(16)
            fd = os.open(path, flags, 0o600)
            self._file = _Open(path, fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink > 0:
                break
            # A sweep had the lock between open and flock, and removed the file.
            self._file = None
            close(fd)
        if self._length:
            preallocate(fd, self._length)
