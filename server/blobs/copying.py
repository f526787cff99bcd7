"""Copies of blobs from one blob directory to another, each compared with its name: what a backup
and a restore do with files.

Every function blocks. A copy is durable once fsync_copies or fsync_all has returned.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

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
    """Copy a blob to its place in the target, whatever is there.

    read_only: of the target. Raises UnusableBlob where the source has no whole copy, and then
    leaves the target as it was; DiskFull, StorageError, FsyncFailed of the target.
    """
    staged = StagedFile(target.staging, read_only, length=size)
    sha256 = hashlib.sha256()
    length = 0
    try:
        with _opened(source, digest) as fd:
            staged.write(b"")  # an empty blob is a file, too
            for piece in _pieces(fd, digest):
                sha256.update(piece)
                length += len(piece)
                staged.write(piece)
        _compare(digest, size, sha256.digest(), length)
        staged.fsync()
        staged.publish(target.blob(digest))
    finally:
        staged.discard()


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
    sha256 = hashlib.sha256()
    length = 0
    with _opened(layout, digest) as fd:
        # What the page cache holds says nothing of the disk.
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        for piece in _pieces(fd, digest):
            sha256.update(piece)
            length += len(piece)
    _compare(digest, size, sha256.digest(), length)


def forget(layout: Layout, digest: BlobDigest) -> None:
    """Unlink a copy that turned out rotten, so that no size is taken for its bytes."""
    with disk_errors(f"unlink {digest.hex()}"), suppress(FileNotFoundError):
        os.unlink(layout.blob(digest))


def set_aside(layout: Layout, digest: BlobDigest) -> None:
    """Take from its place a copy that is rotten, where there is one: some may still be read."""
    place = layout.blob(digest)
    with disk_errors(f"rename {digest.hex()}"), suppress(FileNotFoundError):
        os.rename(place, place.with_name(f"{place.name}.rotten"))


def _size_at_its_place(layout: Layout, digest: BlobDigest) -> int | None:
    try:
        return os.stat(layout.blob(digest), follow_symlinks=False).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableBlob(digest, f"cannot be looked at: {error.strerror}") from error


@contextmanager
def _opened(layout: Layout, digest: BlobDigest) -> Iterator[int]:
    fd = _open(layout, digest)
    try:
        yield fd
    finally:
        os.close(fd)


def _open(layout: Layout, digest: BlobDigest) -> int:
    place, trash = layout.blob(digest), layout.trashed(digest)
    # A sweep that died may have left it in trash/; whoever finds it there brings it back.
    for path in (place, trash, place):
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


def _compare(digest: BlobDigest, size: int, found: bytes, length: int) -> None:
    if length != size:
        raise UnusableBlob(digest, f"has {length} bytes, not {size}")
    if found != digest:
        raise UnusableBlob(digest, "holds other bytes")
