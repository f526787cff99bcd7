"""Where everything is in the blob directory, and how it is made.

ROOT/layout        one line, the version of this layout; written last, so it vouches for the rest
ROOT/database      one line, the name of the database that the blobs belong to
ROOT/staging/      bodies on their way in, under random names; copies that were not read back yet
ROOT/trash/        blobs that the sweep took away and has not yet unlinked
ROOT/ab/abcd...    a blob, named by its SHA-256 in hex, in the shard of its first byte
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from server.blobs.errors import BlobLayoutError
from server.blobs.files import disk_errors, fsync_directories
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.staging import StagedFile
from server.model.names import BlobDigest

VERSION = b"s3d blobs 1\n"
SHARDS = tuple(f"{byte:02x}" for byte in range(256))
# ext4 makes it in the root of a disk: blobs may have one of their own.
OF_THE_DISK = "lost+found"
_BLOB_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a blob directory."""

    root: Path
    staging: Path = field(init=False)
    trash: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "staging", self.root / "staging")
        object.__setattr__(self, "trash", self.root / "trash")

    @property
    def version_file(self) -> Path:
        """Return the file whose one line is the version."""
        return self.root / "layout"

    @property
    def database_file(self) -> Path:
        """Return the file whose one line names the database that the blobs belong to."""
        return self.root / "database"

    @property
    def directories(self) -> list[Path]:
        """Return all directories below the root."""
        return [self.staging, self.trash, *(self.root / shard for shard in SHARDS)]

    def shard(self, digest: BlobDigest) -> Path:
        """Return the directory that holds the blob."""
        return self.root / digest[:1].hex()

    def blob(self, digest: BlobDigest) -> Path:
        """Return the path of the blob while it lives."""
        return self.shard(digest) / digest.hex()

    def trashed(self, digest: BlobDigest) -> Path:
        """Return the path of the blob after the sweep took it away."""
        return self.trash / digest.hex()


def digest_named(name: str) -> BlobDigest | None:
    """Return the digest that a file name spells, or None where it is no name of a blob."""
    return BlobDigest(bytes.fromhex(name)) if _BLOB_NAME.fullmatch(name) else None


def open_layout(root: Path, read_only: ReadOnlyFlag) -> Layout:
    """Return the layout of the directory, which is made where it is missing or empty.

    Blocking. May be called by several processes and nodes at once. What a crash left half made is
    finished. Raises BlobLayoutError where the directory holds another version or anything else,
    StorageError where the disk fails.
    """
    layout = Layout(root.absolute())
    with disk_errors(f"open the blob directory {root}"):
        _make_root(layout.root)
        is_new = not layout.version_file.exists() and _is_unfinished(layout)
        if not is_new:
            _refuse_other_version(layout)
        made = [path for path in layout.directories if _make_directory(path) or is_new]
        if made:
            # A new directory is an entry of its parent: both must be durable before any blob is.
            fsync_directories([*made, layout.root], read_only)
        if is_new:
            fsync_directories(_ancestors(layout.root), read_only)
        _refuse_several_file_systems(layout)
        if is_new:
            publish_file(layout, layout.version_file, VERSION, read_only)
    return layout


def existing_layout(root: Path) -> Layout:
    """Return the layout of a blob directory that must be there already; makes nothing.

    Blocking. Directories below it may be missing. Raises BlobLayoutError where the directory holds
    another version or is no blob directory, StorageError where the disk fails.
    """
    layout = Layout(root.absolute())
    with disk_errors(f"open the blob directory {root}"):
        if not layout.version_file.exists():
            raise BlobLayoutError(f"{root} is no blob directory: it has no file 'layout'")
        _refuse_other_version(layout)
    return layout


def _make_root(root: Path) -> None:
    missing = [path for path in (root, *root.parents) if not path.exists()]
    for path in reversed(missing):
        _make_directory(path)
    if not root.is_dir():
        raise BlobLayoutError(f"{root} is not a directory")


def _ancestors(root: Path) -> list[Path]:
    """Return what may have been made for the root, now or by a start that was cut short."""
    device = os.stat(root).st_dev
    return [
        path for path in root.parents if os.stat(path).st_dev == device and os.access(path, os.R_OK)
    ]


def _make_directory(path: Path) -> bool:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir():
            raise BlobLayoutError(f"{path} is not a directory") from None
        return False
    return True


def _is_unfinished(layout: Layout) -> bool:
    """Return True where all that is there are directories of a start that was cut short.

    Such a start left nothing in them but staged files. Returns False where another process has
    finished the directory in the meantime.
    """
    ours = {path.name for path in layout.directories}
    for entry in layout.root.iterdir():
        if entry.name in (OF_THE_DISK, layout.database_file.name):
            continue
        is_ours = entry.name in ours and not entry.is_symlink() and entry.is_dir()
        if is_ours and (entry == layout.staging or not any(entry.iterdir())):
            continue
        if layout.version_file.exists():
            return False
        raise BlobLayoutError(
            f"{layout.root} is not empty, and is no blob directory: it has no file"
            f" {layout.version_file.name!r} but holds {entry.name!r}."
        )
    return True


def _refuse_other_version(layout: Layout) -> None:
    with layout.version_file.open("rb") as version_file:
        found = version_file.read(100)
    if found != VERSION:
        raise BlobLayoutError(
            f"{layout.root} has layout {found.decode(errors='replace').strip()!r};"
            f" this server reads and writes {VERSION.decode().strip()!r}."
        )


def _refuse_several_file_systems(layout: Layout) -> None:
    device = os.stat(layout.root).st_dev
    for path in layout.directories:
        if os.stat(path).st_dev != device:
            # rename(2) cannot cross file systems.
            raise BlobLayoutError(f"{path} is on another file system than {layout.root}")


def publish_file(
    layout: Layout,
    target: Path,
    data: bytes,
    read_only: ReadOnlyFlag,
    *,
    may_replace: bool = True,
) -> None:
    """Make a small file of the root hold the data, durably; several processes may at once.

    may_replace: as of StagedFile.publish.
    """
    staged = StagedFile(layout.staging, read_only, length=None)
    try:
        staged.write(data)
        staged.fsync()
        staged.publish(target, may_replace=may_replace)
    finally:
        staged.discard()
    fsync_directories([layout.root], read_only)
