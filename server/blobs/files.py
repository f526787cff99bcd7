"""Calls to the operating system, with the errors and the durability that the store needs.

All of it blocks.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.blobs.errors import DiskFull, FsyncFailed, StorageError
from server.blobs.read_only import ReadOnlyFlag

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
# ENOSYS and EOPNOTSUPP: the kernel or the file system has no fallocate. EINVAL: FUSE says it so.
_NO_PREALLOCATION = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
_FALLOC_FL_KEEP_SIZE = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate64.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Raise what an OSError in the block means: DiskFull, or StorageError.

    doing: what the log will say was tried, e.g. "write a body".
    """
    try:
        yield
    except OSError as error:
        kind = DiskFull if error.errno in _NO_SPACE else StorageError
        raise kind(f"could not {doing}: {error}") from error


def fsync(fd: int, read_only: ReadOnlyFlag) -> None:
    """Make what was written to the file or directory survive a power cut.

    Raises FsyncFailed, after turning the node read-only: invariant D6.
    """
    try:
        os.fsync(fd)
    except OSError as error:
        read_only.set()
        raise FsyncFailed(f"fsync failed: {error}") from error


def fsync_directories(directories: Iterable[Path], read_only: ReadOnlyFlag) -> None:
    """Make the names in each directory survive a power cut; each is fsynced once, in order.

    Raises FsyncFailed, after turning the node read-only.
    """
    for directory in dict.fromkeys(directories):
        with disk_errors(f"open {directory}"):
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fsync(fd, read_only)
        finally:
            close(fd)


def close(fd: int) -> None:
    """Let go of the file. Never raises: what close could complain of, fsync has said before."""
    with suppress(OSError):
        os.close(fd)


def lock_now(fd: int, how: int) -> bool:
    """Return whether the lock of flock(2) is ours now, LOCK_SH or LOCK_EX; never waits."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def preallocate(fd: int, length: int) -> None:
    """Reserve the file's bytes on the disk, so that a full disk shows before they arrive.

    The file's size stays what was written, so that a body cut short can never look complete.
    Does nothing where the file system cannot. Raises OSError ENOSPC or EDQUOT.
    """
    # Not os.posix_fallocate: where the file system cannot (NFS before 4.2, CephFS) glibc writes a
    # byte to every 4 KiB instead, so that each body would cross the network twice.
    while _libc.fallocate64(fd, _FALLOC_FL_KEEP_SIZE, 0, length) != 0:
        error = ctypes.get_errno()
        if error in _NO_PREALLOCATION:
            return
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error))


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; write(2) alone may stop after some of them. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def write_file(path: Path, data: bytes, read_only: ReadOnlyFlag) -> None:
    """Make a small file hold the data, durably, or leave it as it was; only its owner can read it.

    One process at a time: a lock is the caller's. Raises DiskFull, StorageError, FsyncFailed.
    """
    new = path.with_name(f"{path.name}.new")
    with disk_errors(f"write {path}"):
        fd = os.open(
            new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            write_all(fd, data)
            fsync(fd, read_only)
        finally:
            os.close(fd)
        os.rename(new, path)
    fsync_directories([path.parent], read_only)
