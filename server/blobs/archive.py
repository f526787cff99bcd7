"""The directory that backups go to: blobs once, and a directory of tables for each snapshot.

ROOT/backup                       one line, the version of this layout; held under flock by restores
                                  together, or alone by who removes snapshots and blobs
ROOT/lock                         held under flock by a backup
ROOT/blobs/                       a blob directory, see layout.py: the blobs of all snapshots
ROOT/snapshots/TIME/              a finished snapshot: everything that it names is there, durably
ROOT/snapshots/TIME.unfinished/   one that is being made, or that a crash left

All of it blocks. Only the owner can read it: it holds secrets.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from server.blobs.copying import ROTTEN
from server.blobs.errors import ArchiveBusy, ArchiveError
from server.blobs.files import (
    disk_errors,
    fsync,
    fsync_directories,
    lock_now,
    write_all,
    write_file,
)
from server.blobs.layout import Layout, digest_named, existing_layout, open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.sweep import remove_stale_staging
from server.model.names import BlobDigest

VERSION = b"s3d backup 1\n"
_MARK = "backup"
_LOCK = "lock"
_SNAPSHOTS = "snapshots"
# What an empty directory may hold: what a file system or a start that was cut short put there.
_EMPTY = frozenset({_LOCK, f"{_MARK}.new", "lost+found"})
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_UNFINISHED = ".unfinished"
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait for others that use the archive.

    begins: called once where somebody does, with who that is.
    """

    seconds: float
    begins: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive. Make it with `to_write` or `to_read`."""

    root: Path
    blobs: Layout
    read_only: ReadOnlyFlag

    @classmethod
    @contextmanager
    def to_write(cls, root: Path, wait: Wait) -> Iterator[Self]:
        """Yield the archive, made where the directory is missing or empty; one process at a time.

        What crashes left behind is removed. Raises ArchiveBusy, ArchiveError, StorageError.
        """
        read_only = ReadOnlyFlag()
        with disk_errors(f"use {root}"):
            root.mkdir(mode=0o700, exist_ok=True)
        _refuse_what_is_no_archive(root)
        with _locked(root / _LOCK, fcntl.LOCK_EX, f"another backup to {root}", wait):
            _mark(root, read_only)
            archive = cls(root, open_layout(root / "blobs", read_only), read_only)
            with disk_errors(f"use {root}"):
                archive.snapshots.mkdir(mode=0o700, exist_ok=True)
                fsync_directories([root], read_only)
                remove_stale_staging(archive.blobs)
                for left in archive.snapshots.glob(f"*{_UNFINISHED}"):
                    shutil.rmtree(left)
            yield archive

    @classmethod
    def to_list(cls, root: Path) -> Self:
        """Return the archive, from which others may remove snapshots at any time.

        Nothing is written: it may lie on a file system that takes no writes. Raises ArchiveError,
        StorageError.
        """
        # Made last, so it vouches for the rest.
        if not ((root / _MARK).exists() and (root / _SNAPSHOTS).exists()):
            raise ArchiveError(f"{root} holds no backups")
        _refuse_other_version(root)
        return cls(root, existing_layout(root / "blobs"), ReadOnlyFlag())

    @classmethod
    @contextmanager
    def to_read(cls, root: Path, wait: Wait) -> Iterator[Self]:
        """Yield the archive, from which nobody removes anything meanwhile; a backup may add to it.

        Nothing is written, as above. Raises ArchiveBusy, ArchiveError, StorageError.
        """
        archive = cls.to_list(root)
        what = f"a backup that removes snapshots from {root}"
        with _locked(root / _MARK, fcntl.LOCK_SH, what, wait):
            yield archive

    @contextmanager
    def to_remove(self, wait: Wait) -> Iterator[None]:
        """Keep readers out until the block ends; who writes already enters it, and may remove.

        Raises ArchiveBusy, StorageError.
        """
        with _locked(self.root / _MARK, fcntl.LOCK_EX, f"a restore from {self.root}", wait):
            yield

    @property
    def snapshots(self) -> Path:
        """Return the directory of all snapshots."""
        return self.root / _SNAPSHOTS

    def snapshot(self, name: str) -> Path:
        """Return the directory of a finished snapshot."""
        return self.snapshots / name

    def finished(self) -> list[str]:
        """Return the names of the finished snapshots, the oldest first."""
        with disk_errors(f"read {self.snapshots}"):
            return sorted(filter(is_snapshot_name, os.listdir(self.snapshots)))

    def begin(self, name: str) -> Path:
        """Return the directory of a new snapshot, which is not finished."""
        directory = self.snapshots / f"{name}{_UNFINISHED}"
        with disk_errors(f"make {directory}"):
            directory.mkdir(mode=0o700)
        return directory

    def finish(self, directory: Path) -> None:
        """Give the snapshot its name; its files are durable already, and what they name is there.

        Raises StorageError, FsyncFailed.
        """
        fsync_directories([directory], self.read_only)
        with disk_errors(f"finish {directory}"):
            os.rename(directory, directory.with_name(directory.name.removesuffix(_UNFINISHED)))
        fsync_directories([self.snapshots], self.read_only)

    def give_up(self, directory: Path) -> None:
        """Remove a snapshot that will not be finished, as far as that works."""
        shutil.rmtree(directory, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove a finished snapshot; blobs that it alone named stay for unlink_all_but."""
        directory = self.snapshots / f"{name}{_UNFINISHED}"
        with disk_errors(f"remove {self.snapshot(name)}"):
            os.rename(self.snapshot(name), directory)
            # First durably without its name: nobody must find a snapshot whose blobs are gone.
            fsync_directories([self.snapshots], self.read_only)
            shutil.rmtree(directory)

    def unlink_all_but(self, shard: str, named: Collection[BlobDigest]) -> int:
        """Return how many blobs of the shard were unlinked: those that no snapshot names.

        Copies of them that rotted and were set aside, too.
        """
        unlinked = 0
        with (
            disk_errors(f"remove blobs from {shard}"),
            os.scandir(self.blobs.root / shard) as files,
        ):
            for file in files:
                digest = digest_named(file.name.removesuffix(ROTTEN))
                if digest is not None and digest not in named:
                    os.unlink(file.path)
                    unlinked += 1
        return unlinked

    @contextmanager
    def new_file(self, path: Path) -> Iterator["NewFile"]:
        """Yield a file to write to, durable when the block ends well."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with disk_errors(f"write {path}"):
            fd = os.open(path, flags, 0o600)
        try:
            yield NewFile(path, fd)
            fsync(fd, self.read_only)
        finally:
            os.close(fd)


def is_snapshot_name(name: str) -> bool:
    """Return whether a finished snapshot may have that name."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a snapshot while it is written."""

    path: Path
    fd: int

    def write(self, data: bytes) -> None:
        """Append the bytes. Raises DiskFull, StorageError."""
        with disk_errors(f"write {self.path}"):
            write_all(self.fd, data)


@contextmanager
def _locked(file: Path, how: int, against: str, wait: Wait) -> Iterator[None]:
    # NFS gives the lock of one alone only to who may write.
    flags = os.O_RDWR | os.O_CREAT if how == fcntl.LOCK_EX else os.O_RDONLY
    with disk_errors(f"lock {file}"):
        fd = os.open(file, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not lock_now(fd, how):
            wait.begins(against)
            give_up = time.monotonic() + wait.seconds
            while not lock_now(fd, how):
                if time.monotonic() > give_up:
                    raise ArchiveBusy(
                        f"{against} is at work, and did not end within {wait.seconds:g} seconds"
                    )
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(fd)


def _refuse_what_is_no_archive(root: Path) -> None:
    if (root / _MARK).exists():
        return
    with disk_errors(f"read {root}"):
        others = sorted(set(os.listdir(root)) - _EMPTY)
    if others:
        raise ArchiveError(f"{root} is no directory of backups: it holds {others[0]!r}")


def _mark(root: Path, read_only: ReadOnlyFlag) -> None:
    """Make an empty directory an archive; refuse one that holds anything else."""
    _refuse_what_is_no_archive(root)
    if not (root / _MARK).exists():
        with disk_errors(f"use {root}"):
            # Of a directory that was there: what goes into it is its owner's alone.
            root.chmod(0o700)
        write_file(root / _MARK, VERSION, read_only)
        parent = root.absolute().parent
        fsync_directories([parent] if os.access(parent, os.R_OK) else [], read_only)
    _refuse_other_version(root)


def _refuse_other_version(root: Path) -> None:
    with disk_errors(f"read {root / _MARK}"):
        found = (root / _MARK).read_bytes()[:100]
    if found != VERSION:
        raise ArchiveError(
            f"{root} is {found.decode(errors='replace').strip()!r};"
            f" this program reads and writes {VERSION.decode().strip()!r}"
        )
