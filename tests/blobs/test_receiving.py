import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.receiving import PIECE_BYTES, ReceivedBlob, ReceivedInline
from server.blobs.store import BlobStore
from server.model.checksum import ChecksumAlgorithm
from tests.blobs.bodies import (
    INLINE_LIMIT,
    MIB,
    BadBody,
    BodyOf,
    ClientVanished,
    get,
    random_bytes,
)
from tests.blobs.disk import Disk, files_in, open_files

SIZES_ABOVE_INLINE = [
    pytest.param(INLINE_LIMIT + 1, id="one byte too many for the row"),
    pytest.param(PIECE_BYTES, id="one piece"),
    pytest.param(MIB - 1, id="a block less a byte"),
    pytest.param(MIB, id="one block"),
    pytest.param(MIB + 1, id="a block and a byte"),
    pytest.param(3 * MIB + 7, id="many blocks"),
]
# More than a body of three pieces has.
LAST_SUSPENSION = 120


@pytest.mark.parametrize("knows_length", [True, False])
@pytest.mark.parametrize("size", [0, 1, INLINE_LIMIT])
async def test_receive_keeps_a_small_body_in_memory(
    store: BlobStore, disk: Disk, size: int, knows_length: bool
) -> None:
    data = random_bytes(size)

    async with store.receive(BodyOf(data, knows_length=knows_length, piece_bytes=999)) as received:
        assert isinstance(received, ReceivedInline)

    assert received.data == data
    assert received.digests.sha256 == hashlib.sha256(data).digest()
    assert received.digests.md5_hex == hashlib.md5(data).hexdigest()
    assert disk.steps == []


@pytest.mark.parametrize("is_verified", [True, False])
async def test_receive_takes_a_small_body_that_is_here_already_but_not_unverified(
    store: BlobStore, disk: Disk, is_verified: bool
) -> None:
    body = BodyOf(b"small", is_here=True, is_verified=is_verified)

    with nullcontext() if is_verified else pytest.raises(BadBody):
        async with store.receive(body) as received:
            assert isinstance(received, ReceivedInline)
            assert received.data == b"small"

    assert disk.steps == []


@pytest.mark.parametrize("knows_length", [True, False])
@pytest.mark.parametrize("size", SIZES_ABOVE_INLINE)
async def test_receive_writes_a_larger_body_to_a_file(
    store: BlobStore, size: int, knows_length: bool
) -> None:
    data = random_bytes(size)

    async with store.receive(BodyOf(data, knows_length=knows_length)) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])

    assert (received.blob.digest, received.blob.size) == (hashlib.sha256(data).digest(), size)
    assert len(received.blob.block_crcs) == -(-size // MIB) * 8
    assert received.digests.md5_hex == hashlib.md5(data).hexdigest()
    assert await get(store, received.blob) == data


async def test_receive_does_not_care_where_the_network_cuts(store: BlobStore) -> None:
    """Scenario: a body in chunks of seven bytes, more of them than may wait at once."""
    data = random_bytes(PIECE_BYTES // 8)

    async with store.receive(BodyOf(data, piece_bytes=7)) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])

    assert await get(store, received.blob) == data


async def test_receive_takes_a_body_in_one_piece(store: BlobStore) -> None:
    data = random_bytes(2 * MIB + 1)

    async with store.receive(BodyOf(data, piece_bytes=len(data))) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])

    assert await get(store, received.blob) == data


@pytest.mark.parametrize("size", [INLINE_LIMIT, INLINE_LIMIT + 1])
async def test_receive_computes_the_checksum_that_the_request_names(
    store: BlobStore, size: int
) -> None:
    body = BodyOf(bytes(size))
    body.checksum_algorithm = ChecksumAlgorithm.SHA1

    async with store.receive(body) as received:
        checksum = received.digests.checksum(ChecksumAlgorithm.SHA1)

    assert len(checksum) == 28


async def test_receive_believes_the_bytes_rather_than_the_announced_length(
    store: BlobStore,
) -> None:
    """A body that announces little and sends much must not fill the memory."""
    body = BodyOf(random_bytes(INLINE_LIMIT + 1))
    body.length = 1

    async with store.receive(body) as received:
        assert isinstance(received, ReceivedBlob)


@pytest.mark.parametrize("size", [INLINE_LIMIT, INLINE_LIMIT + 1, 3 * MIB + 7])
async def test_receive_of_a_body_that_fails_verification_leaves_nothing(
    store: BlobStore, root: Path, size: int
) -> None:
    with pytest.raises(BadBody):
        async with store.receive(BodyOf(random_bytes(size), is_verified=False)):
            pytest.fail("unverified bytes were handed out")

    assert files_in(root) == [root / "layout"]
    assert open_files(root) == []


@pytest.mark.parametrize("vanish_at", [0, 1, 64 << 10, PIECE_BYTES, MIB, 3 * MIB])
async def test_receive_from_a_client_that_vanishes_leaves_nothing(
    store: BlobStore, root: Path, vanish_at: int
) -> None:
    body = BodyOf(random_bytes(3 * MIB + 7), vanish_at=vanish_at)

    with pytest.raises(ClientVanished):
        async with store.receive(body):
            pytest.fail("half a body was handed out")

    assert files_in(root) == [root / "layout"]
    assert open_files(root) == []


@pytest.mark.parametrize("error", [ClientVanished(), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_receive_whose_caller_fails_leaves_nothing(
    store: BlobStore, root: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        async with store.receive(BodyOf(random_bytes(MIB))):
            raise error

    assert files_in(root) == [root / "layout"]
    assert open_files(root) == []


class CancelledAt:
    """Awaits a coroutine, and cancels it where it would suspend for the n-th time."""

    def __init__(self, number: int, awaitable: Awaitable[None]) -> None:
        self.suspensions = 0
        self._number = number
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._awaitable.__await__()
        waited_for = next(steps)
        while True:
            self.suspensions += 1
            try:
                if self.suspensions == self._number:
                    waited_for = steps.throw(asyncio.CancelledError())
                else:
                    yield waited_for
                    waited_for = next(steps)
            except StopIteration:
                return


@pytest.mark.parametrize("suspension", range(1, LAST_SUSPENSION))
@pytest.mark.usefixtures("disk")
async def test_receive_cancelled_at_any_await_leaves_nothing_unpublished(
    store: BlobStore, root: Path, suspension: int
) -> None:
    data = random_bytes(3 * PIECE_BYTES)

    async def put() -> None:
        async with store.receive(BodyOf(data)) as received:
            assert isinstance(received, ReceivedBlob)
            await store.publish([received])

    attempt = CancelledAt(suspension, put())
    was_cancelled = False
    try:
        await attempt
    except asyncio.CancelledError:
        was_cancelled = True

    assert was_cancelled == (attempt.suspensions >= suspension)
    assert files_in(root / "staging") == []
    assert {path.read_bytes() for path in files_in(root) if path.name != "layout"} <= {data}
    assert open_files(root) == []


async def test_receive_suspends_less_often_than_the_cancellation_test_tries(
    store: BlobStore,
) -> None:
    async def put() -> None:
        async with store.receive(BodyOf(random_bytes(3 * PIECE_BYTES))) as received:
            assert isinstance(received, ReceivedBlob)
            await store.publish([received])

    attempt = CancelledAt(0, put())
    await attempt

    assert attempt.suspensions < LAST_SUSPENSION


async def test_receive_verifies_before_it_fsyncs_and_publish_fsyncs_the_directory_last(
    store: BlobStore, disk: Disk
) -> None:
    body = BodyOf(random_bytes(2 * PIECE_BYTES), on_verify=lambda: disk.steps.append("verify"))

    async with store.receive(body) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])

    assert disk.steps == [
        *("statvfs", "open", "write", "write", "verify", "fsync file"),
        *("rename", "open", "fsync directory"),
    ]


async def test_receive_on_a_read_only_node_refuses_a_large_body_before_it_is_read(
    store: BlobStore, read_only: ReadOnlyFlag
) -> None:
    body = BodyOf(random_bytes(MIB), vanish_at=0)
    read_only.set()

    with pytest.raises(Exception, match="it is read-only until it is restarted"):
        async with store.receive(body):
            pytest.fail("a read-only node took a body")


async def test_receive_on_a_read_only_node_refuses_a_body_that_turns_out_large(
    store: BlobStore, root: Path, read_only: ReadOnlyFlag
) -> None:
    read_only.set()

    with pytest.raises(Exception, match="it is read-only until it is restarted"):
        async with store.receive(BodyOf(random_bytes(MIB), knows_length=False)):
            pytest.fail("a read-only node took a body")
    assert files_in(root) == [root / "layout"]


async def test_receive_on_a_read_only_node_still_takes_a_small_body(
    store: BlobStore, read_only: ReadOnlyFlag
) -> None:
    """Its row is PostgreSQL's to write; whether a node may, the metadata layer decides."""
    read_only.set()

    async with store.receive(BodyOf(b"small")) as received:
        assert isinstance(received, ReceivedInline)


async def test_receive_reserves_the_announced_bytes_and_the_file_holds_only_those_that_came(
    store: BlobStore, root: Path
) -> None:
    looked_at: list[tuple[int, int]] = []

    class Body(BodyOf):
        async def pieces(self) -> AsyncIterator[bytes]:
            async for piece in super().pieces():
                yield piece
            # By now two pieces are written, and the last byte was handed to nobody yet.
            (staged,) = files_in(root / "staging")
            status = staged.stat()
            looked_at.append((status.st_blocks * 512, status.st_size))

    async with store.receive(Body(random_bytes(3 * PIECE_BYTES + 1))):
        pass

    ((reserved, size),) = looked_at
    assert reserved > 3 * PIECE_BYTES
    assert 2 * PIECE_BYTES <= size <= 3 * PIECE_BYTES


async def test_receive_takes_as_much_memory_for_a_large_body_as_for_a_small_one(
    store: BlobStore,
) -> None:
    piece = bytes(64 << 10)

    class Body(BodyOf):
        async def pieces(self) -> AsyncIterator[bytes]:
            for _ in range(1024):
                yield bytes(piece)

        def verify(self, digests: object) -> None:
            pass

    tracemalloc.start()
    async with store.receive(Body(b"", knows_length=False)) as received:
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert received.digests.size == 64 * MIB
    assert peak < 5 * PIECE_BYTES


async def test_receive_does_not_keep_the_tiny_pieces_that_a_small_body_comes_in(
    root: Path,
) -> None:
    """A piece of two bytes is an object of forty, and joining it takes another eighty."""
    open_layout(root, ReadOnlyFlag())
    data = random_bytes(96 << 10)
    store = BlobStore.open(
        root, inline_limit=len(data), threads=1, read_only=ReadOnlyFlag(), reserve_bytes=0
    )

    tracemalloc.start()
    async with store.receive(BodyOf(data, piece_bytes=2)) as received:
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    store.close()

    assert isinstance(received, ReceivedInline)
    assert received.data == data
    assert peak < 10 * len(data)


async def test_receive_blob_keeps_even_an_empty_body_in_a_file(store: BlobStore) -> None:
    """The last part of an upload may be empty."""
    async with store.receive_blob(BodyOf(b"")) as received:
        await store.publish([received])

    assert store.layout.blob(received.blob.digest).read_bytes() == b""
    assert files_in(store.layout.staging) == []
