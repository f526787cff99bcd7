"""Clients that take their time: every wait for one ends."""

import asyncio
import os
import time
from collections.abc import Iterator

import pytest

from tests.fix_s3 import Disk, S3Client, client_of
from tests.fix_server import RunningServer, complaints_of, own_database, running_server
from tests.processes import open_files, workers_of

LARGE = 24 << 20  # more than the buffers of two sockets hold

HURRY = {
    "S3D_HEADER_TIMEOUT_SECONDS": "1",
    "S3D_KEEP_ALIVE_SECONDS": "3",
    "S3D_BODY_IDLE_TIMEOUT_SECONDS": "1",
    "S3D_MIN_BODY_BYTES_PER_SECOND": "1",
    "S3D_MAX_INFLIGHT_REQUESTS": "4",
}


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with one worker and little patience."""
    with (
        own_database() as url,
        running_server(
            tmp_path_factory.mktemp("hurried"), workers=1, database_url=url, environment=HURRY
        ) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def s3(hurried: RunningServer) -> S3Client:
    return client_of(hurried)


@pytest.fixture
async def bucket(s3: S3Client) -> str:
    name = f"test-{os.urandom(8).hex()}"
    assert (await s3.put(f"/{name}")).status == 200
    return name


async def test_a_head_that_does_not_end_is_cut_off(s3: S3Client) -> None:
    message = s3.message("GET", "/")
    began = time.monotonic()
    async with s3.connected() as wire:
        await wire.send(message[: len(message) // 2])

        assert await wire.rest() == b""

    assert 0.9 < time.monotonic() - began < 2.9


async def test_bytes_that_trickle_in_do_not_start_the_time_anew(s3: S3Client) -> None:
    message = s3.message("GET", "/")
    began = time.monotonic()
    async with s3.connected() as wire:
        for position in range(0, 40):
            await wire.send(message[position : position + 1])
            await asyncio.sleep(0.05)

        assert await wire.rest() == b""

    assert 0.9 < time.monotonic() - began < 4


async def test_a_second_head_that_does_not_end_is_cut_off(s3: S3Client) -> None:
    async with s3.connected() as wire:
        assert (await s3.on(wire).get("/")).status == 200
        began = time.monotonic()
        await wire.send(b"GET / HTTP/1.1\r\n")

        assert await wire.rest() == b""

    assert 0.9 < time.monotonic() - began < 2.9


@pytest.mark.parametrize("begins_with", ["nothing", "a request"])
async def test_an_idle_connection_is_closed(s3: S3Client, begins_with: str) -> None:
    async with s3.connected() as wire:
        if begins_with == "a request":
            await s3.on(wire).get("/")

        assert await wire.is_silent_for(1)
        assert await wire.rest() == b""


@pytest.mark.parametrize("sent", [0, 10_000, 3 << 20], ids=["nothing", "a little", "much"])
async def test_a_body_that_stands_still_times_out_and_leaves_nothing(
    s3: S3Client, bucket: str, hurried: RunningServer, sent: int
) -> None:
    body = os.urandom(4 << 20)
    message = s3.message("PUT", f"/{bucket}/key", body=body)
    async with s3.connected() as wire:
        await wire.send(message[: len(message) - len(body) + sent])

        answer = await wire.answer()

        assert answer.refusal == (400, "RequestTimeout")
        assert answer.headers["connection"] == "close"
    assert hurried.data is not None
    assert await Disk(hurried.data / "blobs").staged_afterwards() == []
    assert await s3.keys_of(bucket) == []


async def test_a_document_that_stands_still_times_out(s3: S3Client, bucket: str) -> None:
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    message = s3.message(
        "POST", f"/{bucket}?delete", body=body, headers={"x-amz-checksum-crc32": "AAAAAA=="}
    )
    async with s3.connected() as wire:
        await wire.send(message[:-1])

        assert (await wire.answer()).refusal == (400, "RequestTimeout")


async def test_a_slow_but_steady_upload_is_let_go_on(s3: S3Client, bucket: str) -> None:
    message = s3.message("PUT", f"/{bucket}/key", body=b"0123456789")
    async with s3.connected() as wire:
        await wire.send(message[:-10])
        for position in range(10):
            await asyncio.sleep(0.2)
            await wire.send(message[position - 10 : len(message) + position - 9])

        assert (await wire.answer()).status == 200


async def test_a_client_that_takes_no_body_is_cut_off(
    s3: S3Client, bucket: str, hurried: RunningServer
) -> None:
    assert (await s3.put(f"/{bucket}/key", body=os.urandom(LARGE))).status == 200
    # Connections to the database are opened when they are needed, and kept.
    await s3.get(f"/{bucket}/key")
    before = open_files(workers_of(hurried))
    async with s3.connected() as wire:
        await wire.send(s3.message("GET", f"/{bucket}/key"))
        await wire.stop_reading()

        async with asyncio.timeout(20):
            while open_files(workers_of(hurried)) > before:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.1)


async def test_a_client_that_takes_no_answers_is_cut_off(
    s3: S3Client, bucket: str, hurried: RunningServer
) -> None:
    """Answers that are small each, more of them than the buffers of two sockets hold."""
    await s3.put(f"/{bucket}/key", body=os.urandom(8000))
    await s3.get(f"/{bucket}/key")
    before = open_files(workers_of(hurried))
    async with s3.connected() as wire:
        await wire.stop_reading()
        wire.send_later(s3.message("GET", f"/{bucket}/key") * 4000)

        async with asyncio.timeout(30):
            while open_files(workers_of(hurried)) == before:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.01)
            while open_files(workers_of(hurried)) > before:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.1)


async def test_more_requests_than_a_worker_can_carry_are_told_to_slow_down(
    s3: S3Client, bucket: str
) -> None:
    message = s3.message("PUT", f"/{bucket}/key", body=b"body")

    async def begin() -> tuple[int, str | None]:
        async with s3.connected() as wire:
            await wire.send(message[:-4])
            return (await wire.answer()).refusal

    refusals = await asyncio.gather(*(begin() for _ in range(6)))

    assert sorted(refusals, key=str) == [(400, "RequestTimeout")] * 4 + [(503, "SlowDown")] * 2
    assert (await s3.get(f"/{bucket}")).status == 200
