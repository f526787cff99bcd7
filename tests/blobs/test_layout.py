import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from server.blobs.errors import BlobLayoutError
from server.blobs.layout import Layout, digest_named, open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.sweep import foreign_files
from tests.blobs.bodies import digest_of
from tests.blobs.disk import SimulatedCrash, close_like_a_dead_process, files_in, install

# More steps than it takes with two shards in place of 256, below as many folders as tests run in.
LAST_STEP_OF_INIT = 50


def test_open_layout_makes_a_directory_that_only_its_owner_may_read(root: Path) -> None:
    layout = open_layout(root, ReadOnlyFlag())

    directories = [root, *layout.directories]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}
    assert stat.S_IMODE(layout.version_file.stat().st_mode) == 0o600


def test_open_layout_makes_staging_trash_and_a_shard_for_each_first_byte(root: Path) -> None:
    open_layout(root, ReadOnlyFlag())

    names = {path.name for path in root.iterdir()}
    assert names == {"layout", "staging", "trash", *(f"{byte:02x}" for byte in range(256))}
    assert (root / "layout").read_bytes() == b"s3d blobs 1\n"
    assert files_in(root) == [root / "layout"]


def test_open_layout_makes_missing_parents(root: Path) -> None:
    open_layout(root / "deep" / "er", ReadOnlyFlag())

    assert (root / "deep" / "er" / "layout").is_file()


def test_open_layout_takes_a_directory_that_is_there_and_empty(root: Path) -> None:
    root.mkdir()

    open_layout(root, ReadOnlyFlag())

    assert (root / "layout").is_file()


def test_open_layout_opens_again_what_it_made(root: Path) -> None:
    first = open_layout(root, ReadOnlyFlag())
    first.blob(digest_of(b"kept")).write_bytes(b"kept")

    again = open_layout(root, ReadOnlyFlag())

    assert again.blob(digest_of(b"kept")).read_bytes() == b"kept"


def test_open_layout_makes_a_shard_again_that_somebody_removed(root: Path) -> None:
    (open_layout(root, ReadOnlyFlag()).root / "a7").rmdir()

    open_layout(root, ReadOnlyFlag())

    assert (root / "a7").is_dir()


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(b"s3d blobs 2\n", id="a later one"),
        pytest.param(b"s3d blobs 1", id="cut short"),
        pytest.param(b"s3d blobs 1\nmore\n", id="a second line"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not text"),
    ],
)
def test_open_layout_refuses_another_version(root: Path, version: bytes) -> None:
    open_layout(root, ReadOnlyFlag()).version_file.write_bytes(version)

    with pytest.raises(BlobLayoutError, match="this server reads and writes 's3d blobs 1'"):
        open_layout(root, ReadOnlyFlag())


def test_open_layout_refuses_a_directory_of_something_else(root: Path) -> None:
    root.mkdir()
    (root / "photo.jpg").write_bytes(b"precious")

    with pytest.raises(BlobLayoutError, match=r"holds 'photo\.jpg'"):
        open_layout(root, ReadOnlyFlag())
    assert [path.name for path in root.iterdir()] == ["photo.jpg"]


def test_open_layout_takes_an_ext4_of_its_own(root: Path) -> None:
    """mkfs.ext4 leaves lost+found in the root of the new file system."""
    (root / "lost+found").mkdir(parents=True)

    layout = open_layout(root, ReadOnlyFlag())

    assert layout.version_file.exists()
    assert list(foreign_files(layout, layout.root)) == []


def test_open_layout_refuses_blobs_without_a_version(root: Path) -> None:
    layout = open_layout(root, ReadOnlyFlag())
    layout.blob(digest_of(b"old")).write_bytes(b"old")
    layout.version_file.unlink()

    with pytest.raises(BlobLayoutError, match="is no blob directory"):
        open_layout(root, ReadOnlyFlag())


def test_open_layout_refuses_a_file(root: Path) -> None:
    root.write_bytes(b"")

    with pytest.raises(BlobLayoutError, match="is not a directory"):
        open_layout(root, ReadOnlyFlag())


def test_open_layout_refuses_a_shard_that_is_a_symbolic_link(root: Path, tmp_path: Path) -> None:
    (open_layout(root, ReadOnlyFlag()).root / "00").rmdir()
    (root / "00").symlink_to(tmp_path)

    with pytest.raises(BlobLayoutError, match="is not a directory"):
        open_layout(root, ReadOnlyFlag())


@pytest.mark.crash
@pytest.mark.parametrize("step", range(1, LAST_STEP_OF_INIT))
def test_open_layout_finishes_what_a_crash_left_half_made(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr("server.blobs.layout.SHARDS", ("00", "01"))
    disk = install(monkeypatch)
    disk.crash_before(step)
    with suppress(SimulatedCrash):
        open_layout(root, ReadOnlyFlag())
    close_like_a_dead_process(root)
    disk.heal()

    layout = open_layout(root, ReadOnlyFlag())

    assert layout.version_file.read_bytes() == b"s3d blobs 1\n"
    assert all(path.is_dir() for path in layout.directories)


def test_open_layout_is_durable_before_its_version_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version file vouches for all the rest, so it comes last."""
    monkeypatch.setattr("server.blobs.layout.SHARDS", ("00", "01"))
    disk = install(monkeypatch)

    open_layout(root, ReadOnlyFlag())

    assert len(disk.steps) < LAST_STEP_OF_INIT
    assert disk.steps[:5] == ["mkdir"] * 5
    assert disk.steps[5:-6] == ["open", "fsync directory"] * ((len(disk.steps) - 11) // 2)
    assert disk.steps[-6:] == [
        *("open", "write", "fsync file", "rename"),
        *("open", "fsync directory"),
    ]


def test_open_layout_fsyncs_every_directory_and_what_it_is_an_entry_of(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = install(monkeypatch)

    layout = open_layout(root / "deeper", ReadOnlyFlag())

    assert {layout.root, *layout.directories, root, root.parent} <= set(disk.fsynced)


def test_open_layout_fsyncs_again_what_a_crash_may_have_left_unsynced(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario: every directory is there, made by a start that died before its first fsync."""
    for path in Layout(root).directories:
        path.mkdir(parents=True)
    disk = install(monkeypatch)

    layout = open_layout(root, ReadOnlyFlag())

    assert {layout.root, *layout.directories, root.parent} <= set(disk.fsynced)


def test_layout_names_a_blob_by_the_hex_of_its_digest() -> None:
    digest = digest_of(b"")

    layout = Layout(Path("/data/blobs"))

    hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert os.fspath(layout.blob(digest)) == f"/data/blobs/e3/{hexadecimal}"
    assert os.fspath(layout.trashed(digest)) == f"/data/blobs/trash/{hexadecimal}"
    assert digest_named(hexadecimal) == digest


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("ab" * 31, id="too short"),
        pytest.param("ab" * 33, id="too long"),
        pytest.param("AB" * 32, id="upper case"),
        pytest.param("ab" * 31 + "g0", id="not hex"),
        pytest.param("ab" * 32 + "\n", id="a newline at its end"),
        pytest.param("٣" * 64, id="digits that are not ASCII"),
    ],
)
def test_digest_named_knows_no_digest_in(name: str) -> None:
    assert digest_named(name) is None
