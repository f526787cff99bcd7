"""The half of the sweep that looks at files. What a row names, the database knows.

Every function blocks; memory does not grow with the number of files.
"""

import fcntl
import os
import stat
from collections.abc import Generator, Iterable
from pathlib import Path

from server.blobs.files import close, disk_errors
from server.blobs.layout import OF_THE_DISK, SHARDS, Layout, digest_named
from server.model.names import BlobDigest


def old_blobs(
    layout: Layout, *, changed_before: float, shards: Iterable[str] = SHARDS
) -> Generator[BlobDigest, None, None]:
    """Yield the blobs whose file's ctime is before the time given, shard by shard.

    changed_before: seconds since the epoch, at least the longest request ago: a file is published
    before the row that names it is committed. Files that are no blobs are passed over.
    """
    for shard in shards:
        for digest in _old_files(layout.root / shard, changed_before):
            if digest.hex().startswith(shard):
                yield digest


def old_trash(layout: Layout, *, changed_before: float) -> Generator[BlobDigest, None, None]:
    """Yield the blobs that lie in trash/ since before the time given.

    changed_before: seconds since the epoch, at least the longest request ago: a reader that found
    the row before the blob was released still opens the file here.
    """
    yield from _old_files(layout.trash, changed_before)


def foreign_files(layout: Layout, directory: Path) -> Generator[Path, None, None]:
    """Yield what lies in the directory and does not belong there.

    directory: the root, trash/ or a shard of the layout.
    """
    files = (layout.version_file, layout.database_file)
    ours = {OF_THE_DISK, *(path.name for path in (*files, *layout.directories))}
    shard = "" if directory == layout.trash else directory.name
    with disk_errors(f"look for foreign files in {directory}"), os.scandir(directory) as entries:
        for entry in entries:
            if directory == layout.root:
                belongs = entry.name in ours
            else:
                is_blob = digest_named(entry.name) and entry.name.startswith(shard)
                belongs = bool(is_blob) and entry.is_file(follow_symlinks=False)
            if not belongs:
                yield Path(entry.path)


def remove_stale_staging(layout: Layout) -> int:
    """Return how many staged files were removed: those whose writer is dead, on any node. D8.

    A writer holds its file under flock as long as it lives, and looks after locking whether the
    file still has a name, so a file whose lock can be had belongs to nobody. Raises StorageError.
    """
    removed = 0
    with disk_errors("sweep staging"), os.scandir(layout.staging) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                removed += _remove_if_unlocked(entry.path)
    return removed


def _remove_if_unlocked(path: str) -> bool:
    try:
        # Writable, because NFS makes an exclusive flock a write lock.
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Never a published blob: this name lies in staging/. A copy that has its digest for a name
        # there belongs to a backup or a restore, which keeps every sweep of its directory away.
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        close(fd)
    return True


def _old_files(directory: Path, changed_before: float) -> Generator[BlobDigest, None, None]:
    with disk_errors(f"look for old files in {directory}"), os.scandir(directory) as entries:
        for entry in entries:
            digest = digest_named(entry.name)
            if digest is not None and _is_old_file(entry, changed_before):
                yield digest


def _is_old_file(entry: "os.DirEntry[str]", changed_before: float) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        # Moved or replaced since the directory was read.
        return False
    return stat.S_ISREG(status.st_mode) and status.st_ctime < changed_before
