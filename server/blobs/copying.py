"""Copies of blobs from one blob directory to another, each compared with its name: what a backup
and a restore do with files.

copy_blob, then publish_copy: a copy stays in staging/ until the disk has given its bytes back. Else
one that a killed process left unread, or a power cut brought back, would pass by its size.

Every function blocks. A copy is durable once fsync_copies or fsync_all has returned.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from server.blobs.errors import UnusableBlob
from server.blobs.files import disk_errors, fsync_directories
from server.blobs.layout import SHARDS, Layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.staging import StagedFile
from server.model.names import BlobDigest

_PIECE_BYTES = 1 << 20


def copy_blob(
    source: Layout, target: Layout, digest: BlobDigest, size: int, read_only: ReadOnlyFlag
) -> None:
    """Copy a blob to staging/ of the target, durable but for its name, for publish_copy.

    read_only: of the target. Raises UnusableBlob where the source has no whole copy, and then
    leaves the target as it was; DiskFull, StorageError, FsyncFailed of the target.
    """
    staged = StagedFile(target.staging, read_only, length=size)
    sha256 = hashlib.sha256()
    length = 0
    try:
        with _opened(digest, *_places(source, digest)) as fd:
            staged.write(b"")  # an empty blob is a file, too
            for piece in _pieces(fd, digest):
                sha256.update(piece)
                length += len(piece)
                staged.write(piece)
        _compare(digest, size, sha256.digest(), length)
        staged.fsync()
        staged.publish(_unread(target, digest))
    finally:
        staged.discard()


def publish_copy(target: Layout, digest: BlobDigest, size: int) -> None:
    """Give what copy_blob left its place, whatever is there, if the disk gives back its bytes.

    Raises UnusableBlob where it does not, and then unlinks it; StorageError.
    """
    unread = _unread(target, digest)
    try:
        with _opened(digest, unread) as fd:
            _compare_with_disk(fd, digest, size)
    except UnusableBlob:
        with disk_errors(f"unlink {unread}"), suppress(FileNotFoundError):
            os.unlink(unread)
        raise
    with disk_errors(f"publish {digest.hex()}"):
        os.rename(unread, target.blob(digest))


def fsync_copies(target: Layout, digests: Iterable[BlobDigest], read_only: ReadOnlyFlag) -> None:
    """Make the names of these copies durable. Raises FsyncFailed."""
    fsync_directories(sorted({target.shard(digest) for digest in digests}), read_only)


def fsync_all(target: Layout, read_only: ReadOnlyFlag) -> None:
    """Make the names of all copies durable, also of those that a killed process left.

    Raises FsyncFailed.
    """
    fsync_directories([target.root / shard for shard in SHARDS], read_only)


def check_size(layout: Layout, digest: BlobDigest, size: int) -> None:
    """Raise UnusableBlob unless the blob is at its place, with that size."""
    found = _size_at_its_place(layout, digest)
    if found is None:
        raise UnusableBlob(digest, "is missing")
    if found != size:
        raise UnusableBlob(digest, f"has {found} bytes, not {size}")


def check_bytes(layout: Layout, digest: BlobDigest, size: int) -> None:
    """Raise UnusableBlob unless the disk gives back the bytes that the name says."""
    check_size(layout, digest, size)
    with _opened(digest, *_places(layout, digest)) as fd:
        _compare_with_disk(fd, digest, size)


# What a copy that rotted is called, after its digest, once its place is needed.
ROTTEN: Final = ".rotten"


def set_aside(layout: Layout, digest: BlobDigest) -> None:
    """Take from its place a copy that is rotten, where there is one: some may still be read."""
    place = layout.blob(digest)
    with disk_errors(f"rename {digest.hex()}"), suppress(FileNotFoundError):
        os.rename(place, place.with_name(f"{place.name}{ROTTEN}"))


def _size_at_its_place(layout: Layout, digest: BlobDigest) -> int | None:
    try:
        return os.stat(layout.blob(digest), follow_symlinks=False).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableBlob(digest, f"cannot be looked at: {error.strerror}") from error


def _unread(target: Layout, digest: BlobDigest) -> Path:
    return target.staging / digest.hex()


def _places(layout: Layout, digest: BlobDigest) -> tuple[Path, ...]:
    place, trash = layout.blob(digest), layout.trashed(digest)
    # A sweep that died may have left it in trash/; whoever finds it there brings it back.
    return place, trash, place


@contextmanager
def _opened(digest: BlobDigest, *paths: Path) -> Iterator[int]:
    fd = _open(digest, *paths)
    try:
        yield fd
    finally:
        os.close(fd)


def _open(digest: BlobDigest, *paths: Path) -> int:
    for path in paths:
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnusableBlob(digest, f"cannot be opened: {error.strerror}") from error
    raise UnusableBlob(digest, "is missing")


def _pieces(fd: int, digest: BlobDigest) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(fd, _PIECE_BYTES)
        except OSError as error:
            raise UnusableBlob(digest, f"cannot be read: {error.strerror}") from error
        if not piece:
            return
        yield piece


def _compare_with_disk(fd: int, digest: BlobDigest, size: int) -> None:
    # What the page cache holds says nothing of the disk.
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    sha256 = hashlib.sha256()
    length = 0
    for piece in _pieces(fd, digest):
        sha256.update(piece)
        length += len(piece)
    _compare(digest, size, sha256.digest(), length)


def _compare(digest: BlobDigest, size: int, found: bytes, length: int) -> None:
    if length != size:
        raise UnusableBlob(digest, f"has {length} bytes, not {size}")
    if found != digest:
        raise UnusableBlob(digest, "holds other bytes")
