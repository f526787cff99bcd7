import ctypes
import errno
import os
from pathlib import Path

import pytest

from server.blobs import files
from server.blobs.errors import DiskFull, FsyncFailed, StorageError
from server.blobs.read_only import ReadOnlyFlag
from tests.blobs.disk import install


class FileSystem:
    """A C library whose fallocate fails with each errno in turn, then succeeds."""

    def __init__(self, *errors: int) -> None:
        self.calls = 0
        self._errors = list(errors)

    def fallocate64(self, fd: int, mode: int, offset: int, length: int) -> int:
        self.calls += 1
        if not self._errors:
            return 0
        ctypes.set_errno(self._errors.pop(0))
        return -1


@pytest.mark.parametrize("error", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_preallocate_does_without_where_the_file_system_cannot(
    monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    file_system = FileSystem(error)
    monkeypatch.setattr(files, "_libc", file_system)

    files.preallocate(0, 4096)

    assert file_system.calls == 1


def test_preallocate_goes_on_after_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    file_system = FileSystem(errno.EINTR)
    monkeypatch.setattr(files, "_libc", file_system)

    files.preallocate(0, 4096)

    assert file_system.calls == 2


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_preallocate_tells_that_the_disk_is_full(
    monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(files, "_libc", FileSystem(error))

    with pytest.raises(DiskFull), files.disk_errors("reserve"):
        files.preallocate(0, 4096)


def test_preallocate_reserves_blocks_and_leaves_the_size(tmp_path: Path) -> None:
    with (tmp_path / "staged").open("wb") as staged:
        files.preallocate(staged.fileno(), 1 << 20)
        status = os.fstat(staged.fileno())

    assert (status.st_blocks * 512, status.st_size) == (1 << 20, 0)


def test_write_all_goes_on_after_a_short_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))

    with (tmp_path / "staged").open("wb") as staged:
        files.write_all(staged.fileno(), b"ten bytes.")

    assert (tmp_path / "staged").read_bytes() == b"ten bytes."


def test_fsync_directories_fsyncs_each_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = install(monkeypatch)

    files.fsync_directories([tmp_path, tmp_path.parent, tmp_path], ReadOnlyFlag())

    assert disk.steps == ["open", "fsync directory"] * 2


def test_fsync_that_fails_turns_the_node_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, read_only = install(monkeypatch), ReadOnlyFlag()
    disk.fail_with(errno.EIO, at="fsync directory")

    with pytest.raises(FsyncFailed):
        files.fsync_directories([tmp_path], read_only)
    assert read_only.is_set


def test_a_close_that_fails_after_an_fsync_that_did_not_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only, close = ReadOnlyFlag(), os.close

    def close_and_complain(fd: int) -> None:
        close(fd)
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "close", close_and_complain)
        files.fsync_directories([tmp_path], read_only)

    assert not read_only.is_set


def test_disk_errors_keep_the_cause_and_say_what_was_tried() -> None:
    with (
        pytest.raises(StorageError, match=r"could not write a body: .*I/O error") as raised,
        files.disk_errors("write a body"),
    ):
        raise OSError(errno.EIO, "I/O error")

    assert isinstance(raised.value.__cause__, OSError)
