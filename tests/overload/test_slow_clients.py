"""Senders and readers that are slow on purpose: each is cut by a limit that has a name."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.fix_s3 import Disk, S3Client, client_of
from tests.fix_server import (
    RunningServer,
    complaints_of,
    make_certificate,
    own_database,
    running_server,
)
from tests.processes import open_files, workers_of

# 10,000 bytes in two seconds: what is slower is cut.
LIMITS = {
    "S3D_BODY_IDLE_TIMEOUT_SECONDS": "2",
    "S3D_MIN_BODY_BYTES_PER_SECOND": "5000",
    "S3D_HEADER_TIMEOUT_SECONDS": "2",
    "S3D_KEEP_ALIVE_SECONDS": "3",
}
LARGE = 24 << 20  # more than the buffers of two sockets hold
GIVE_UP_SECONDS = 40


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of one worker that wants bodies to move on."""
    with (
        own_database() as url,
        running_server(
            tmp_path_factory.mktemp("strict"), workers=1, database_url=url, environment=LIMITS
        ) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def s3(strict: RunningServer) -> S3Client:
    return client_of(strict)


@pytest.fixture
async def bucket(s3: S3Client) -> str:
    name = f"test-{os.urandom(8).hex()}"
    assert (await s3.put(f"/{name}")).status == 200
    return name


async def test_a_sender_that_drips_is_cut_by_the_least_pace(
    s3: S3Client, bucket: str, strict: RunningServer
) -> None:
    """It never stands still for as long as the idle timeout wants."""
    body = os.urandom(1 << 20)
    message = s3.message("PUT", f"/{bucket}/key", body=body)
    async with s3.connected() as wire:
        await wire.send(message[: -len(body) + 100_000])
        answered = asyncio.create_task(wire.answer())
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while not answered.done():
                await wire.send(b"x")
                await asyncio.sleep(0.2)

    assert (await answered).refusal == (400, "RequestTimeout")
    assert strict.data is not None
    assert await Disk(strict.data / "blobs").staged_afterwards() == []


async def test_a_sender_of_a_document_that_drips_is_cut_too(s3: S3Client, bucket: str) -> None:
    message = s3.message("PUT", f"/{bucket}/key?tagging", body=b" " * 1000)
    async with s3.connected() as wire:
        await wire.send(message[:-1000])
        answered = asyncio.create_task(wire.answer())
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while not answered.done():
                await wire.send(b"x")
                await asyncio.sleep(0.2)

    assert (await answered).refusal == (400, "RequestTimeout")


async def test_a_sender_above_the_least_pace_may_take_its_time(s3: S3Client, bucket: str) -> None:
    body = os.urandom(60_000)
    message = s3.message("PUT", f"/{bucket}/key", body=body)
    async with s3.connected() as wire:
        await wire.send(message[: -len(body)])
        for start in range(0, len(body), 4000):
            await wire.send(body[start : start + 4000])
            await asyncio.sleep(0.3)

        assert (await wire.answer()).status == 200
    assert (await s3.get(f"/{bucket}/key")).body == body


async def test_a_reader_that_takes_a_byte_at_a_time_is_cut_by_the_least_pace(
    s3: S3Client, bucket: str, strict: RunningServer
) -> None:
    assert (await s3.put(f"/{bucket}/key", body=os.urandom(LARGE))).status == 200
    await s3.get(f"/{bucket}/key")
    before = open_files(workers_of(strict))
    with slow_reader(s3) as reader:
        reader.sendall(s3.message("GET", f"/{bucket}/key"))
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while open_files(workers_of(strict)) == before:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
            while open_files(workers_of(strict)) > before:
                assert await asyncio.to_thread(reader.recv, 1)
                await asyncio.sleep(0.1)


async def test_a_reader_above_the_least_pace_gets_all_of_it(s3: S3Client, bucket: str) -> None:
    """It takes several times as long over one block as the idle timeout lasts."""
    body = os.urandom(700_000)
    assert (await s3.put(f"/{bucket}/key", body=body)).status == 200
    with slow_reader(s3) as reader:
        reader.sendall(s3.message("GET", f"/{bucket}/key"))
        received = await asyncio.to_thread(read_slowly, reader, len(body))

    assert received.endswith(body[-1000:])


def slow_reader(s3: S3Client) -> socket.socket:
    """Return a connection whose system takes little before the program does."""
    url = urlsplit(s3.endpoint)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(GIVE_UP_SECONDS)
    reader.connect((url.hostname, url.port))
    return reader


def read_slowly(reader: socket.socket, size: int) -> bytes:
    """Return what comes, at least so many bytes, at most 150 KB a second. Blocking."""
    received = b""
    while len(received) < size and (piece := reader.recv(15_000)):
        received += piece
        time.sleep(0.1)
    return received


async def test_a_connection_that_says_nothing_is_closed_after_the_keep_alive(
    s3: S3Client,
) -> None:
    async with s3.connected() as wire:
        assert await wire.is_silent_for(1)
        assert await wire.rest() == b""


async def test_a_tls_handshake_that_is_never_begun_is_cut_by_the_header_timeout(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("strict-tls")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    make_certificate(certificate, key)
    tls = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with (
        own_database() as url,
        running_server(directory, *tls, workers=1, database_url=url, environment=LIMITS) as running,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            received = await reader.read()
        writer.close()

    assert received == b""
