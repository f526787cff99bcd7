"""Looking at files without changing them: where a blob lies, and whether all of it is whole.

Every function blocks.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Collection, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from server.blobs.errors import RottenBlob
from server.blobs.files import disk_errors
from server.blobs.layout import Layout
from server.model.blob import BLOCK_BYTES, BLOCK_CRC_BYTES, Blob
from server.model.names import BlobDigest
from server.rules.checksums import verify_block

# What a disk or a file system says of bytes that it cannot give back. ELOOP: the name is a symbolic
# link, which O_NOFOLLOW refuses.
_LOST_BYTES: Final = frozenset(
    {errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.ENODATA, errno.EREMOTEIO, errno.ELOOP}
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """Which file a blob has, where it lies, how long it is, and when it came there."""

    inode: int
    size: int  # bytes
    changed: float  # ctime, seconds since the epoch
    is_in_trash: bool


def find_files(layout: Layout, digests: Collection[BlobDigest]) -> list[FoundFile | None]:
    """Return the file of each blob, in order; None where neither its shard nor trash/ has one."""
    with disk_errors("look at blobs"):
        return [_find_file(layout, digest) for digest in digests]


def has_any(layout: Layout, digests: Collection[BlobDigest]) -> bool:
    """Return whether any of the blobs has a file; the first that has ends the search."""
    with disk_errors("look at blobs"):
        return any(_find_file(layout, digest) for digest in digests)


def missing_directories(layout: Layout) -> list[Path]:
    """Return the directories of the layout that are not there, or are something else."""
    with disk_errors("look at directories"):
        return [path for path in layout.directories if path.is_symlink() or not path.is_dir()]


def unlocked_staging(layout: Layout) -> Generator[Path, None, None]:
    """Yield the staged files that no living process holds, on any node.

    One that was made this very moment may be among them: its writer locks it a little later.
    """
    with disk_errors("look at staging"), os.scandir(layout.staging) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield from still_unlocked([Path(entry.path)])


def still_unlocked(paths: Iterable[Path]) -> list[Path]:
    """Return those of the staged files that are there and that no living process holds."""
    with disk_errors("look at staging"):
        return [path for path in paths if _is_unlocked(path)]


class WholeRead:
    """Reads a blob from its first byte to its last, from the disk where the system lets it.

    Verifies the CRC of each block, and the SHA-256 of all. Whoever opens it closes it. Holds one
    block. The methods raise RottenBlob, and StorageError where it is not the disk's fault.
    """

    def __init__(self, layout: Layout, blob: Blob) -> None:
        self._layout = layout
        self._blob = blob
        self._sha256 = hashlib.sha256()
        self._fd = -1
        self._position = 0

    def open(self) -> bool:
        """Open the file, in its shard or in trash/; return False where neither has it."""
        digest = self._blob.digest
        living = self._layout.blob(digest)
        for path in (living, self._layout.trashed(digest), living):
            try:
                self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._raise(error)
            size = os.fstat(self._fd).st_size
            if size != self._blob.size:
                raise RottenBlob(digest, f"the file has {size} bytes instead of {self._blob.size}")
            # What lies in memory says nothing about the disk. Pages that are not yet written stay.
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
            return True
        return False

    def step(self) -> int:
        """Return how many bytes were read and are right; 0 once all are, and the whole is."""
        start, blob = self._position, self._blob
        length = min(BLOCK_BYTES, blob.size - start)
        if length == 0:
            if self._sha256.digest() != blob.digest:
                raise RottenBlob(blob.digest, "its SHA-256 is another")
            return 0
        data = self._read(start, length)
        block = start // BLOCK_BYTES
        crc_at = block * BLOCK_CRC_BYTES
        if not verify_block(data, blob.block_crcs[crc_at : crc_at + BLOCK_CRC_BYTES]):
            raise RottenBlob(blob.digest, f"the CRC64NVME of block {block} is another")
        self._sha256.update(data)
        self._position += length
        return length

    def close(self) -> None:
        """Let go of the file. May be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _read(self, start: int, length: int) -> bytes:
        try:
            data = os.pread(self._fd, length, start)
            # Nor does a file that nobody asked for push out of memory what somebody will.
            os.posix_fadvise(self._fd, start, length, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            self._raise(error)
        if len(data) != length:
            reason = f"{len(data)} bytes were read of {length} from byte {start} on"
            raise RottenBlob(self._blob.digest, reason)
        return data

    def _raise(self, error: OSError) -> NoReturn:
        if error.errno in _LOST_BYTES:
            raise RottenBlob(self._blob.digest, f"it cannot be read: {error.strerror}") from error
        with disk_errors("read a blob"):
            raise error


def _find_file(layout: Layout, digest: BlobDigest) -> FoundFile | None:
    living, trashed = layout.blob(digest), layout.trashed(digest)
    # The shard again after trash/: a restored blob leaves trash/ once it is back in its shard.
    for path in (living, trashed, living):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            is_in_trash = path == trashed
            return FoundFile(status.st_ino, status.st_size, status.st_ctime, is_in_trash)
    return None


def _is_unlocked(path: Path) -> bool:
    try:
        # Writable, because NFS makes an exclusive flock a write lock.
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Published or removed since it was opened.
        return os.fstat(fd).st_nlink > 0 and path.exists()
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
