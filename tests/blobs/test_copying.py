"""Blobs from one directory to another, each compared with its name."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from server.blobs import copying
from server.blobs.errors import DiskFull, FsyncFailed, UnusableBlob
from server.blobs.layout import Layout
from server.blobs.read_only import ReadOnlyFlag
from server.model.names import BlobDigest
from tests.blobs.bodies import digest_of, random_bytes
from tests.blobs.disk import Disk, files_in, install

BODY = random_bytes((1 << 20) + 77)


@pytest.fixture
def source(template: Path, tmp_path: Path) -> Layout:
    return Layout(shutil.copytree(template, tmp_path / "source"))


@pytest.fixture
def target(template: Path, tmp_path: Path) -> Layout:
    return Layout(shutil.copytree(template, tmp_path / "target"))


def write(path: Path, body: bytes) -> BlobDigest:
    """Write a file; return the digest of what it should hold."""
    path.write_bytes(body)
    return BlobDigest(bytes.fromhex(path.name))


def put(layout: Layout, body: bytes) -> BlobDigest:
    return write(layout.blob(digest_of(body)), body)


def copy(source: Layout, target: Layout, digest: BlobDigest, size: int) -> None:
    copying.copy_blob(source, target, digest, size, ReadOnlyFlag())
    copying.publish_copy(target, digest, size)


@pytest.mark.parametrize("body", [BODY, b"small", b""], ids=["large", "small", "empty"])
def test_a_copy_holds_the_same_bytes(source: Layout, target: Layout, body: bytes) -> None:
    digest = put(source, body)

    copy(source, target, digest, len(body))

    assert target.blob(digest).read_bytes() == body
    copying.check_bytes(target, digest, len(body))


def test_a_copy_is_durable_before_it_has_its_name(
    source: Layout, target: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put(source, BODY)
    disk = install(monkeypatch)

    copy(source, target, digest, len(BODY))
    copying.fsync_copies(target, [digest], ReadOnlyFlag())

    kept = [step for step in disk.steps if step not in ("open", "write")]
    assert kept == ["fsync file", "rename", "rename", "fsync directory"]
    assert disk.fsynced[-1] == target.shard(digest)


def test_a_blob_that_a_sweep_left_in_the_trash_is_found_there(
    source: Layout, target: Layout
) -> None:
    digest = write(source.trashed(digest_of(BODY)), BODY)

    copy(source, target, digest, len(BODY))

    assert target.blob(digest).read_bytes() == BODY


def test_a_blob_that_is_brought_back_meanwhile_is_found_at_its_place(
    source: Layout, target: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = write(source.trashed(digest_of(BODY)), BODY)
    real_open = os.open

    def open_late(path: Path, flags: int, mode: int = 0o777) -> int:
        if path == source.trashed(digest):
            os.rename(source.trashed(digest), source.blob(digest))
        return real_open(path, flags, mode)

    monkeypatch.setattr("server.blobs.copying.os.open", open_late)
    copy(source, target, digest, len(BODY))

    assert target.blob(digest).read_bytes() == BODY


def rot(path: Path) -> None:
    path.write_bytes(b"x" + path.read_bytes()[1:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def remove(path: Path) -> None:
    path.unlink()


def replace_by_link(path: Path) -> None:
    other = path.rename(path.with_name("other"))
    path.symlink_to(other)


WAYS_TO_SPOIL = [rot, cut, lengthen, remove, replace_by_link]


@pytest.mark.parametrize("spoil", WAYS_TO_SPOIL)
def test_a_blob_that_is_not_whole_is_not_copied_and_leaves_the_target_as_it_was(
    source: Layout, target: Layout, spoil: type
) -> None:
    digest = put(source, BODY)
    spoil(source.blob(digest))
    before = files_in(target.root)

    with pytest.raises(UnusableBlob, match=digest.hex()):
        copy(source, target, digest, len(BODY))

    assert files_in(target.root) == before


@pytest.mark.parametrize("spoil", WAYS_TO_SPOIL)
def test_a_copy_that_is_not_whole_any_more_is_found_by_reading_it(
    target: Layout, spoil: type
) -> None:
    digest = put(target, BODY)
    spoil(target.blob(digest))

    with pytest.raises(UnusableBlob, match=digest.hex()):
        copying.check_bytes(target, digest, len(BODY))


@pytest.mark.parametrize("spoil", [cut, lengthen, remove])
def test_a_copy_of_another_size_is_found_by_looking_at_it(target: Layout, spoil: type) -> None:
    digest = put(target, BODY)
    spoil(target.blob(digest))

    with pytest.raises(UnusableBlob, match=digest.hex()):
        copying.check_size(target, digest, len(BODY))


def test_a_copy_takes_the_place_of_what_was_cut_short(source: Layout, target: Layout) -> None:
    digest = put(source, BODY)
    write(target.blob(digest), BODY[:100])

    copy(source, target, digest, len(BODY))

    assert target.blob(digest).read_bytes() == BODY


def test_a_full_disk_says_so_and_leaves_nothing(
    source: Layout, target: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put(source, BODY)
    before = files_in(target.root)
    install(monkeypatch).fail_with(errno.ENOSPC, at="write")

    with pytest.raises(DiskFull):
        copy(source, target, digest, len(BODY))

    assert files_in(target.root) == before


def test_a_failed_fsync_gives_no_name(
    source: Layout, target: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put(source, BODY)
    disk: Disk = install(monkeypatch)
    disk.fail_with(errno.EIO, at="fsync file")

    with pytest.raises(FsyncFailed):
        copy(source, target, digest, len(BODY))

    assert not target.blob(digest).exists()


@pytest.mark.parametrize("spoil", WAYS_TO_SPOIL)
def test_a_copy_that_the_disk_gives_back_otherwise_gets_no_place(
    source: Layout, target: Layout, spoil: type
) -> None:
    digest = put(source, BODY)
    copying.copy_blob(source, target, digest, len(BODY), ReadOnlyFlag())
    [unread] = files_in(target.staging)
    spoil(unread)

    with pytest.raises(UnusableBlob, match=digest.hex()):
        copying.publish_copy(target, digest, len(BODY))

    assert not target.blob(digest).exists()
    assert not unread.exists()
