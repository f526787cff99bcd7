from contextlib import suppress
from pathlib import Path

import pytest

from server.blobs.errors import FsyncFailed
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from tests.blobs.bodies import OpenStore, digest_of, get, put, random_bytes
from tests.blobs.disk import Disk, SimulatedCrash, files_in, install

BODY = random_bytes(70_000)
OTHER = random_bytes(80_000)


async def test_trash_moves_a_blob_out_of_its_shard(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)

    await store.trash([blob.digest])

    assert files_in(root) == [root / "layout", root / "trash" / blob.digest.hex()]


async def test_trash_makes_the_new_names_durable_before_the_old_ones_are_gone(
    store: BlobStore, disk: Disk
) -> None:
    blobs = [await put(store, BODY), await put(store, OTHER)]
    disk.steps.clear()
    disk.fsynced.clear()

    await store.trash([blob.digest for blob in blobs])

    assert disk.steps == ["rename"] * 2 + ["open", "fsync directory"] * 3
    shards = sorted({store.layout.shard(blob.digest) for blob in blobs})
    assert disk.fsynced == [store.layout.trash, *shards]


async def test_trash_of_a_blob_that_is_not_there_is_no_error(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)

    await store.trash([blob.digest, digest_of(b"never written")])
    await store.trash([blob.digest])

    assert files_in(root / "trash") == [store.layout.trashed(blob.digest)]


async def test_restore_brings_a_blob_back(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])

    missing = await store.restore([blob.digest])

    assert missing == frozenset()
    assert files_in(root / "trash") == []
    assert store.layout.blob(blob.digest).read_bytes() == BODY


async def test_restore_makes_the_name_in_the_shard_durable_before_it_unlinks_a_second_copy(
    store: BlobStore, disk: Disk
) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])
    await put(store, BODY)
    disk.steps.clear()

    await store.restore([blob.digest])

    assert disk.steps == ["open", "fsync directory", "unlink"]


async def test_restore_keeps_the_copy_that_was_published_meanwhile(
    store: BlobStore, root: Path
) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])
    await put(store, BODY)
    store.layout.trashed(blob.digest).write_bytes(b"rotten")

    missing = await store.restore([blob.digest])

    assert missing == frozenset()
    assert files_in(root / "trash") == []
    assert await get(store, blob) == BODY


async def test_restore_tells_what_neither_place_has(store: BlobStore) -> None:
    blob = await put(store, BODY)
    lost = digest_of(b"lost")

    assert await store.restore([blob.digest, lost]) == {lost}


async def test_unlink_trashed_leaves_the_copy_in_the_shard(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])
    await put(store, BODY)

    await store.unlink_trashed([blob.digest])
    await store.unlink_trashed([blob.digest])

    assert files_in(root / "trash") == []
    assert await get(store, blob) == BODY


async def test_a_failed_fsync_of_the_trash_turns_the_node_read_only(
    store: BlobStore, disk: Disk, read_only: ReadOnlyFlag
) -> None:
    blob = await put(store, BODY)
    disk.fail_with(5, at="fsync directory")

    with pytest.raises(FsyncFailed):
        await store.trash([blob.digest])
    assert read_only.is_set
    assert await get(store, blob) == BODY


@pytest.mark.crash
@pytest.mark.parametrize("step", range(1, 8))
async def test_a_crash_before_any_step_of_trash_loses_nothing_and_can_be_repeated(
    open_store: OpenStore, root: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Two renames, then three directories; the sweep does it all again after the restart."""
    store = open_store()
    digests = [(await put(store, BODY)).digest, (await put(store, OTHER)).digest]
    disk = install(monkeypatch)
    disk.crash_before(step)
    with suppress(SimulatedCrash):
        await store.trash(digests)
    disk.heal()

    reopened = open_store()
    found_after_crash = {path.name for path in files_in(root) if path.name != "layout"}
    await reopened.trash(digests)

    assert found_after_crash == {digest.hex() for digest in digests}
    assert {path.name for path in files_in(root / "trash")} == found_after_crash


@pytest.mark.crash
@pytest.mark.parametrize("step", range(1, 9))
async def test_a_crash_before_any_step_of_restore_loses_nothing_and_can_be_repeated(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Two renames, two directories, two leftovers in trash/."""
    store = open_store()
    blobs = [await put(store, BODY), await put(store, OTHER)]
    digests = [blob.digest for blob in blobs]
    await store.trash(digests)
    disk = install(monkeypatch)
    disk.crash_before(step)
    with suppress(SimulatedCrash):
        await store.restore(digests)
    disk.heal()

    reopened = open_store()
    read_after_crash = [await get(reopened, blob) for blob in blobs]
    missing = await reopened.restore(digests)

    assert read_after_crash == [BODY, OTHER]
    assert missing == frozenset()
    assert all(reopened.layout.blob(digest).exists() for digest in digests)
