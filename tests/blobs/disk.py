"""A disk that records what is done to it, and that fails or dies when it is told to."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

MODULES = ("archive", "copying", "files", "layout", "staging", "store", "sweep", "trash")
STEPS = frozenset({"fsync", "mkdir", "open", "rename", "statvfs", "unlink", "write"})


class SimulatedCrash(BaseException):
    """The process died here: nothing that it would still have done is done."""


class Disk:
    """Stands for the module os in server.blobs.

    steps:   every call that touches the disk, in order, e.g. "write" or "fsync directory".
    fsynced: the path of every file and directory that was fsynced, in order.
    fail:    called before each step; may raise.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.fsynced: list[Path] = []
        self.fail: Callable[[str], None] = lambda step: None

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in STEPS:
            return call

        def step(*args: Any, **kwargs: Any) -> Any:
            kind = f"{name} {_kind(args[0])}" if name == "fsync" else name
            self.fail(kind)
            self.steps.append(kind)
            if name == "fsync":
                # Recorded and not done: no power is cut here, and disks are slow.
                self.fsynced.append(Path(os.readlink(f"/proc/self/fd/{args[0]}")))
                return None
            return call(*args, **kwargs)

        return step

    def fail_with(self, error: int, *, at: str) -> None:
        """Let each step of this name fail with the errno."""

        def fail(step: str) -> None:
            if step == at:
                raise OSError(error, os.strerror(error))

        self.fail = fail

    def crash_before(self, number: int) -> None:
        """Let the process die before the step of this number, counted from 1 and from now."""
        done_before = len(self.steps)

        def fail(step: str) -> None:
            if len(self.steps) - done_before >= number - 1:
                raise SimulatedCrash(step)

        self.fail = fail

    def heal(self) -> None:
        """Fail no more."""
        self.fail = lambda step: None


def install(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return the disk that server.blobs works on from now on."""
    disk = Disk()
    for module in MODULES:
        monkeypatch.setattr(f"server.blobs.{module}.os", disk)
    return disk


def open_files(root: Path) -> list[str]:
    """Return what this process has open below the directory, unlinked files too."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        # The one of this listing is closed by now.
        with suppress(FileNotFoundError):
            path = os.readlink(f"/proc/self/fd/{fd}")
            if path.startswith(f"{root}/"):
                found.append(path)
    return found


def close_like_a_dead_process(root: Path) -> None:
    """Close what is open below the directory, as the kernel does for a process that died."""
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith(f"{root}/"):
                os.close(int(fd))


def files_in(directory: Path) -> list[Path]:
    """Return the files below a directory."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _kind(fd: int) -> str:
    return "directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
