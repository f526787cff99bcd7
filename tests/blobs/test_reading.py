import asyncio
import errno
import os
import tracemalloc
from pathlib import Path

import pytest

from server.blobs.errors import RottenBlock, StorageError
from server.blobs.reading import OpenSlice
from server.blobs.store import BlobStore
from server.model.blob import Blob, Slice
from tests.blobs.bodies import MIB, get, put, random_bytes
from tests.blobs.disk import open_files

SIZE = 3 * MIB + 7
BODY = random_bytes(SIZE)


def rot(store: BlobStore, blob: Blob, at: int) -> None:
    """Flip one bit of the blob's file."""
    with store.layout.blob(blob.digest).open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


async def opened(store: BlobStore, part: Slice) -> OpenSlice:
    found = await store.open_slice(part)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        pytest.param(0, SIZE, id="all of it"),
        pytest.param(0, 1, id="the first byte"),
        pytest.param(SIZE - 1, 1, id="the last byte"),
        pytest.param(MIB - 1, 2, id="over the edge of a block"),
        pytest.param(MIB, MIB, id="exactly a block"),
        pytest.param(MIB - 1, MIB + 2, id="a block and a byte on both sides"),
        pytest.param(5, 2 * MIB, id="from within to within"),
        pytest.param(3 * MIB, 7, id="the short last block"),
    ],
)
async def test_open_slice_yields_exactly_the_slice(
    store: BlobStore, root: Path, offset: int, length: int
) -> None:
    blob = await put(store, BODY)

    assert await get(store, blob, offset, length) == BODY[offset : offset + length]
    assert open_files(root) == []


async def test_open_slice_finds_no_file(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)
    store.layout.blob(blob.digest).unlink()

    assert await get(store, blob) is None
    assert open_files(root) == []


async def test_open_slice_finds_a_blob_in_the_trash(store: BlobStore) -> None:
    blob = await put(store, BODY)
    await store.trash([blob.digest])

    assert await get(store, blob) == BODY


async def test_open_slice_finds_a_blob_that_is_restored_while_it_looks(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario: in the trash when the shard is looked at, back in it when the trash is."""
    blob = await put(store, BODY)
    await store.trash([blob.digest])
    open_ = os.open
    looked_in: list[Path] = []

    def open_and_restore(path: Path, *args: int) -> int:
        if not looked_in:
            looked_in.append(path)
            os.rename(store.layout.trashed(blob.digest), store.layout.blob(blob.digest))
            raise FileNotFoundError
        return open_(path, *args)

    monkeypatch.setattr(os, "open", open_and_restore)

    assert await get(store, blob) == BODY


async def test_open_slice_keeps_what_it_opened(store: BlobStore) -> None:
    blob = await put(store, BODY)
    found = await opened(store, Slice(blob, 0, SIZE))

    await store.trash([blob.digest])
    await store.unlink_trashed([blob.digest])
    async with found:
        read = b"".join([bytes(piece) async for piece in found.pieces()])

    assert read == BODY


@pytest.mark.parametrize("at", [0, MIB - 1, MIB, 2 * MIB + 5, SIZE - 1])
async def test_rotten_bytes_are_never_yielded(store: BlobStore, root: Path, at: int) -> None:
    blob = await put(store, BODY)
    rot(store, blob, at)
    yielded = bytearray()

    async def read() -> None:
        async with await opened(store, Slice(blob, 0, SIZE)) as found:
            async for piece in found.pieces():
                yielded.extend(piece)

    with pytest.raises(RottenBlock) as rotten:
        await read()

    assert rotten.value.block == at // MIB
    assert yielded == BODY[: at // MIB * MIB]
    assert open_files(root) == []


async def test_rot_in_the_block_of_a_range_but_outside_the_range_is_noticed(
    store: BlobStore,
) -> None:
    blob = await put(store, BODY)
    rot(store, blob, MIB + 5)

    with pytest.raises(RottenBlock):
        await get(store, blob, offset=MIB + 100, length=1)


async def test_rot_in_blocks_that_a_range_does_not_touch_does_not_hinder_it(
    store: BlobStore,
) -> None:
    blob = await put(store, BODY)
    rot(store, blob, MIB + 5)

    assert await get(store, blob, offset=2 * MIB, length=3) == BODY[2 * MIB : 2 * MIB + 3]


@pytest.mark.parametrize(
    ("size", "block"),
    [
        pytest.param(0, 0, id="empty"),
        pytest.param(MIB, 1, id="cut at a block"),
        pytest.param(SIZE - 1, 3, id="a byte short"),
        pytest.param(SIZE + 1, 3, id="a byte long"),
    ],
)
async def test_a_file_of_another_size_is_rotten_before_any_byte_is_yielded(
    store: BlobStore, root: Path, size: int, block: int
) -> None:
    blob = await put(store, BODY)
    os.truncate(store.layout.blob(blob.digest), size)

    with pytest.raises(RottenBlock, match=f"has {size} bytes instead of {SIZE}") as rotten:
        await store.open_slice(Slice(blob, 0, 1))

    assert rotten.value.block == block
    assert open_files(root) == []


async def test_a_file_cut_while_it_is_read_is_rotten(store: BlobStore) -> None:
    blob = await put(store, BODY)

    found = await opened(store, Slice(blob, 0, SIZE))
    os.truncate(store.layout.blob(blob.digest), MIB)
    pieces = found.pieces()
    first = await anext(pieces)

    with pytest.raises(RottenBlock, match="0 bytes were read"):
        await anext(pieces)
    await found.close()
    assert first == BODY[:MIB]


@pytest.mark.parametrize("call", ["open", "pread"])
async def test_a_failing_disk_is_a_storage_error(
    store: BlobStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    blob = await put(store, BODY)

    def fail(*args: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fail)
        with pytest.raises(StorageError) as failure:
            await get(store, blob)

    assert type(failure.value) is StorageError
    assert open_files(root) == []


async def test_a_blob_is_not_read_through_a_symbolic_link(store: BlobStore, tmp_path: Path) -> None:
    blob = await put(store, BODY)
    store.layout.blob(blob.digest).rename(tmp_path / "elsewhere")
    store.layout.blob(blob.digest).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StorageError):
        await get(store, blob)


@pytest.mark.parametrize("pieces", [0, 1, 2])
async def test_a_reader_that_stops_early_leaves_nothing_open(
    store: BlobStore, root: Path, pieces: int
) -> None:
    blob = await put(store, BODY)
    found = await opened(store, Slice(blob, 0, SIZE))
    yielding = found.pieces()
    for _ in range(pieces):
        await anext(yielding)

    await found.close()
    await found.close()

    assert open_files(root) == []


async def test_a_reader_that_is_cancelled_leaves_nothing_open(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)
    has_read = asyncio.Event()

    async def read() -> None:
        async with await opened(store, Slice(blob, 0, SIZE)) as found:
            async for _ in found.pieces():
                has_read.set()
                await asyncio.sleep(3600)

    task = asyncio.create_task(read())
    await has_read.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_files(root) == []


async def test_open_slice_that_is_cancelled_leaves_nothing_open(
    store: BlobStore, root: Path
) -> None:
    blob = await put(store, BODY)
    task = asyncio.create_task(store.open_slice(Slice(blob, 0, SIZE)))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_files(root) == []


async def test_a_piece_stays_what_it_was_while_the_next_ones_are_read(store: BlobStore) -> None:
    """A transport may hold what it was given for as long as its client reads slowly."""
    blob = await put(store, BODY)

    async with await opened(store, Slice(blob, 0, SIZE)) as found:
        pieces = [piece async for piece in found.pieces()]

    assert b"".join(pieces) == BODY


async def test_a_reader_holds_few_blocks_of_a_large_blob(store: BlobStore) -> None:
    blob = await put(store, bytes(32 * MIB))

    tracemalloc.start()
    async with await opened(store, Slice(blob, 0, blob.size)) as found:
        async for piece in found.pieces():
            assert len(piece) == MIB
            del piece
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # Two, and one that a thread may be about to let go of.
    assert peak < 4 * MIB
