"""Disks whose power can be cut: ext4 in a file, mounted through a loop device.

A cut is ext4's own: from then on nothing reaches the disk, what was not written is dropped, and so
is the journal that was not flushed. The next mount finds what a machine finds after a power cut.
"""

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_LOG_FLUSH = struct.pack("I", 2)
# Sparse: what is not written takes no place. PostgreSQL's log of changes is what grows.
_BYTES = 1 << 30
# Nothing is written out because some time has passed, or because a file replaces another: ext4
# does both, and either hides an fsync that is missing.
_OPTIONS = "loop,commit=300,noauto_da_alloc"
_UNMOUNT_SECONDS = 20


@dataclass
class LoopDisk:
    """A file system in a file. at: the directory it is mounted on, while it is."""

    image: Path
    at: Path
    _root: int = field(default=-1, init=False)

    def make(self) -> None:
        """Make the file, and an empty file system in it."""
        with self.image.open("xb") as image:
            image.truncate(_BYTES)
        _run("mkfs.ext4", "-q", str(self.image))
        self.at.mkdir(mode=0o711)
        self.mount()

    def mount(self) -> None:
        _run("mount", "-t", "ext4", "-o", _OPTIONS, str(self.image), str(self.at))
        self._root = os.open(self.at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def cut(self) -> None:
        """Cut the power. Whoever uses the disk goes on, with errors."""
        fcntl.ioctl(self._root, _EXT4_IOC_SHUTDOWN, _WITHOUT_LOG_FLUSH)

    def unmount(self) -> None:
        """Unmount it as soon as nobody uses it. Does nothing where it is not mounted."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
        give_up = time.monotonic() + _UNMOUNT_SECONDS
        while self.at.is_mount():
            try:
                _run("umount", str(self.at))
            except subprocess.CalledProcessError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)


@contextlib.contextmanager
def loop_disks(images: Path, *mounted_at: Path) -> Iterator[Sequence[LoopDisk]]:
    """Yield a new disk, mounted, for each directory, which is made; they go when the block ends.

    images: where their files lie meanwhile. Raises OSError or CalledProcessError where this user or
    this machine cannot have any.
    """
    disks = [LoopDisk(images / f"disk-{number}", at) for number, at in enumerate(mounted_at)]
    try:
        for disk in disks:
            disk.make()
        yield disks
    finally:
        for disk in disks:
            try:
                disk.unmount()
            except subprocess.CalledProcessError:
                _run("umount", "--lazy", str(disk.at))
                raise
            finally:
                disk.image.unlink(missing_ok=True)


def why_not(images: Path) -> str | None:
    """Return why this user on this machine has no disks whose power can be cut, or None."""
    if os.geteuid() != 0:
        return "only root may mount"
    if not Path("/dev/loop-control").exists():
        return "there is no loop device"
    images.mkdir()
    try:
        with loop_disks(images, images / "trial") as (trial,):
            trial.cut()
    except subprocess.CalledProcessError as error:
        return f"{error.cmd[0]}: {error.stderr.decode(errors='replace').strip()}"
    except OSError as error:
        return f"no power can be cut: {error}"
    return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
