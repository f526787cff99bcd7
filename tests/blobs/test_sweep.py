import asyncio
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.blobs import sweep
from server.blobs.errors import StorageError
from server.blobs.layout import Layout
from server.blobs.receiving import ReceivedBlob
from server.blobs.store import BlobStore
from server.model.names import BlobDigest
from tests.blobs.bodies import BodyOf, OpenStore, digest_of, get, put, random_bytes
from tests.blobs.disk import files_in

BODY = random_bytes(70_000)
LATER = time.time() + 86_400

STAGE_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from tests.blobs.bodies import OpenStore, BodyOf, random_bytes

async def main():
    store = BlobStore.open(
        Path(sys.argv[1]), inline_limit=0, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    async with store.receive(BodyOf(random_bytes(300_000))):
        print("staged", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


async def test_old_blobs_are_those_changed_before_the_time(store: BlobStore) -> None:
    blob = await put(store, BODY)
    published = store.layout.blob(blob.digest).stat().st_ctime

    older = list(sweep.old_blobs(store.layout, changed_before=published + 1))
    newer = list(sweep.old_blobs(store.layout, changed_before=published))

    assert (older, newer) == ([blob.digest], [])


async def test_old_blobs_go_by_ctime_which_no_client_can_set(store: BlobStore) -> None:
    blob = await put(store, BODY)
    os.utime(store.layout.blob(blob.digest), (0, 0))

    assert list(sweep.old_blobs(store.layout, changed_before=time.time() - 3600)) == []


async def test_a_blob_that_is_published_again_is_new_again(store: BlobStore) -> None:
    """So the sweep cannot take it between the publish and the commit of its row."""
    blob = await put(store, BODY)
    first = store.layout.blob(blob.digest).stat().st_ctime_ns
    await asyncio.sleep(0.02)

    await put(store, BODY)

    assert store.layout.blob(blob.digest).stat().st_ctime_ns > first


async def test_old_trash_is_what_was_trashed_before_the_time(store: BlobStore) -> None:
    blob = await put(store, BODY)
    await asyncio.sleep(0.02)
    before = time.time() - 0.01
    await store.trash([blob.digest])

    assert list(sweep.old_trash(store.layout, changed_before=before)) == []
    assert list(sweep.old_trash(store.layout, changed_before=LATER)) == [blob.digest]
    assert list(sweep.old_blobs(store.layout, changed_before=LATER)) == []


async def test_the_store_hands_out_old_blobs_in_batches(store: BlobStore) -> None:
    digests = [BlobDigest(hashlib.sha256(b"%d" % number).digest()) for number in range(1500)]
    for digest in digests:
        store.layout.blob(digest).touch()

    batches = [batch async for batch in store.old_blobs(changed_before=LATER)]

    assert [len(batch) for batch in batches] == [1000, 500]
    assert {digest for batch in batches for digest in batch} == set(digests)


async def test_the_store_hands_out_old_trash_in_batches(store: BlobStore) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])

    assert [batch async for batch in store.old_trash(changed_before=LATER)] == [[blob.digest]]


async def test_files_that_are_no_blobs_are_passed_over_and_told(store: BlobStore) -> None:
    blob = await put(store, BODY)
    root, trash = store.layout.root, store.layout.trash
    elsewhere = digest_of(b"another")
    foreign = [
        root / "notes.txt",
        root / "00" / "README",
        root / blob.digest.hex()[:2] / ("AB" * 32),
        trash / "core",
        # A blob in the shard of another one.
        root / ("00" if elsewhere.hex()[:2] != "00" else "01") / elsewhere.hex(),
    ]
    for path in foreign:
        path.write_bytes(b"")
    folder = root / "fe" / ("fe" * 32)
    folder.mkdir()

    assert list(sweep.old_blobs(store.layout, changed_before=LATER)) == [blob.digest]
    assert list(sweep.old_trash(store.layout, changed_before=LATER)) == []
    assert sorted(foreign_files(store.layout)) == sorted([*foreign, folder])


async def test_a_clean_directory_has_no_foreign_files(store: BlobStore) -> None:
    blobs = [await put(store, BODY), await put(store, random_bytes(80_000))]
    await store.trash([blobs[0].digest])

    assert foreign_files(store.layout) == []


def foreign_files(layout: Layout) -> list[Path]:
    """Return those of the root and of all directories that hold blobs."""
    looked_into = [layout.root, *layout.directories]
    looked_into.remove(layout.staging)
    return [path for each in looked_into for path in sweep.foreign_files(layout, each)]


def test_foreign_files_of_a_directory_that_cannot_be_read_are_an_error_of_the_disk(
    store: BlobStore,
) -> None:
    shard = store.layout.root / "00"
    shard.rmdir()
    shard.symlink_to(shard)

    with pytest.raises(StorageError, match=f"foreign files in {shard}"):
        list(sweep.foreign_files(store.layout, shard))


def test_a_blob_that_vanishes_while_its_shard_is_listed_is_passed_over(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = open_store().layout
    gone = digest_of(b"gone")
    layout.blob(gone).touch()
    with os.scandir(layout.shard(gone)) as listing:
        entries = list(listing)
    layout.blob(gone).unlink()

    assert [sweep._is_old_file(entry, LATER) for entry in entries] == [False]


async def test_staging_of_this_process_is_not_stale(store: BlobStore) -> None:
    async with store.receive(BodyOf(BODY)) as received:
        assert isinstance(received, ReceivedBlob)
        removed = await store.remove_stale_staging()
        await store.publish([received])

    assert removed == 0
    assert await get(store, received.blob) == BODY


@pytest.mark.crash
def test_staging_is_stale_as_soon_as_its_process_is_dead(root: Path, open_store: OpenStore) -> None:
    layout = open_store().layout
    writer = subprocess.Popen(
        [sys.executable, "-c", STAGE_AND_WAIT, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdout.readline()

    removed_alive = sweep.remove_stale_staging(layout)
    left_alive = len(files_in(layout.staging))
    writer.kill()
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    left_dead = len(files_in(layout.staging))
    removed_dead = sweep.remove_stale_staging(layout)

    assert (removed_alive, left_alive) == (0, 1)
    assert (removed_dead, left_dead) == (1, 1)
    assert files_in(layout.staging) == []


def test_what_is_no_file_in_staging_is_left_alone(root: Path, open_store: OpenStore) -> None:
    layout = open_store().layout
    (layout.staging / "folder").mkdir()
    (layout.staging / "link").symlink_to(layout.version_file)

    assert sweep.remove_stale_staging(layout) == 0
    assert layout.version_file.exists()


def test_a_staged_file_that_vanishes_before_it_is_opened_is_not_counted(
    open_store: OpenStore,
) -> None:
    layout = open_store().layout

    assert not sweep._remove_if_unlocked(str(layout.staging / "gone"))


def test_a_directory_that_cannot_be_listed_is_trouble_that_the_sweep_survives(
    store: BlobStore,
) -> None:
    """An OSError would end the sweep of this worker for good."""
    store.layout.trash.rmdir()

    with pytest.raises(StorageError):
        list(sweep.old_trash(store.layout, changed_before=LATER))
