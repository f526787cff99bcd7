import fcntl
import os
from pathlib import Path

import pytest

from server.blobs import inspection
from server.blobs.errors import BlobLayoutError, RottenBlob
from server.blobs.inspection import WholeRead
from server.blobs.layout import existing_layout
from server.blobs.store import BlobStore
from server.model.blob import BLOCK_BYTES, Blob
from tests.blobs.bodies import BodyOf, put, random_bytes

BODY = random_bytes(BLOCK_BYTES + 70_000)


def read_all(store: BlobStore, blob: Blob) -> list[int]:
    """Return the length of each step."""
    reading = WholeRead(store.layout, blob)
    steps = []
    try:
        assert reading.open()
        while step := reading.step():
            steps.append(step)
    finally:
        reading.close()
    return steps


async def test_find_files_looks_in_the_shard_and_then_in_the_trash(store: BlobStore) -> None:
    living, trashed = await put(store, BODY), await put(store, BODY[1:])
    await store.trash([trashed.digest])
    gone = await put(store, BODY[2:])
    store.layout.blob(gone.digest).unlink()

    found = await store.find_files([living.digest, trashed.digest, gone.digest])

    assert [file and (file.size, file.is_in_trash) for file in found] == [
        (len(BODY), False),
        (len(BODY) - 1, True),
        None,
    ]


async def test_a_whole_blob_is_read_block_by_block(store: BlobStore) -> None:
    blob = await put(store, BODY)

    assert read_all(store, blob) == [BLOCK_BYTES, 70_000]


async def test_an_empty_blob_is_whole(store: BlobStore) -> None:
    async with store.receive_blob(BodyOf(b"")) as received:
        await store.publish([received])

    assert read_all(store, received.blob) == []


async def test_a_blob_in_the_trash_is_read_there(store: BlobStore) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])

    assert sum(read_all(store, blob)) == len(BODY)


async def test_a_blob_without_a_file_is_not_opened(store: BlobStore) -> None:
    blob = await put(store, BODY)
    store.layout.blob(blob.digest).unlink()

    assert WholeRead(store.layout, blob).open() is False


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(lambda data: data[:-1], "the file has", id="cut short"),
        pytest.param(lambda data: data[:-1] + b"\1", "CRC64NVME of block 1", id="last byte"),
        pytest.param(lambda data: b"\1" + data[1:], "CRC64NVME of block 0", id="first byte"),
    ],
)
async def test_a_rotten_blob_is_said_to_be(store: BlobStore, spoil: object, reason: str) -> None:
    assert callable(spoil)
    blob = await put(store, BODY)
    store.layout.blob(blob.digest).write_bytes(spoil(BODY))

    with pytest.raises(RottenBlob, match=reason):
        read_all(store, blob)


async def test_a_blob_of_other_bytes_is_found_by_its_sha256(store: BlobStore) -> None:
    blob, other = await put(store, BODY), await put(store, BODY[::-1])
    os.replace(store.layout.blob(other.digest), store.layout.blob(blob.digest))

    with pytest.raises(RottenBlob, match="its SHA-256 is another"):
        read_all(store, Blob(blob.digest, blob.size, other.block_crcs))


async def test_a_link_is_no_blob(store: BlobStore) -> None:
    blob = await put(store, BODY)
    path = store.layout.blob(blob.digest)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))

    with pytest.raises(RottenBlob, match="it cannot be read"):
        read_all(store, blob)


async def test_reading_a_blob_leaves_no_file_open(store: BlobStore) -> None:
    blob = await put(store, BODY)
    before = os.listdir("/proc/self/fd")

    async def read(_: int) -> None:
        pass

    for _ in range(10):
        await store.read_whole(blob, read)

    assert len(os.listdir("/proc/self/fd")) <= len(before)


async def test_a_staged_file_is_unlocked_once_its_writer_is_gone(store: BlobStore) -> None:
    staged = store.layout.staging / "abcd"
    with staged.open("wb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        held = list(inspection.unlocked_staging(store.layout))

    assert held == []
    assert list(inspection.unlocked_staging(store.layout)) == [staged]
    staged.unlink()
    assert inspection.still_unlocked([staged]) == []


async def test_looking_at_staged_files_leaves_none_open(store: BlobStore) -> None:
    staged = store.layout.staging / "abcd"
    staged.touch()
    before = os.listdir("/proc/self/fd")

    for _ in range(10):
        assert inspection.still_unlocked([staged]) == [staged]

    assert len(os.listdir("/proc/self/fd")) <= len(before)


async def test_missing_directories_are_those_that_are_no_directories(store: BlobStore) -> None:
    layout = store.layout
    (layout.root / "00").rmdir()
    layout.trash.rmdir()
    layout.trash.touch()

    assert inspection.missing_directories(layout) == [layout.trash, layout.root / "00"]


async def test_an_existing_layout_is_found_and_none_is_made(
    store: BlobStore, tmp_path: Path
) -> None:
    assert existing_layout(store.layout.root) == store.layout

    with pytest.raises(BlobLayoutError, match="it has no file 'layout'"):
        existing_layout(tmp_path / "typo")
    assert not (tmp_path / "typo").exists()


async def test_a_layout_of_another_version_is_refused(store: BlobStore) -> None:
    store.layout.version_file.write_text("s3d blobs 2\n")

    with pytest.raises(BlobLayoutError, match="has layout 's3d blobs 2'"):
        existing_layout(store.layout.root)
