"""Beyond what a worker can carry: who waits, who is refused, and what a refusal costs."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, complaints_of, own_database, running_server
from tests.overload.load import within_a_second
from tests.wire import ANSWER_SECONDS, Answer

PLACES = 4
HUGE = 64 << 20
# What is read of a refused body, and what the buffers of two sockets hold: far below HUGE.
MOST_SENT = 32 << 20


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of one worker that works on four requests at a time."""
    few = {"S3D_MAX_INFLIGHT_REQUESTS": str(PLACES)}
    with (
        own_database() as url,
        running_server(
            tmp_path_factory.mktemp("narrow"), workers=1, database_url=url, environment=few
        ) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def s3(narrow: RunningServer) -> S3Client:
    return client_of(narrow)


@pytest.fixture
async def bucket(s3: S3Client) -> str:
    name = f"test-{os.urandom(8).hex()}"
    assert (await s3.put(f"/{name}")).status == 200
    return name


@asynccontextmanager
async def every_place_taken(s3: S3Client, bucket: str) -> AsyncIterator[None]:
    """Within the block as many uploads as there are places wait for the last byte."""
    message = s3.message("PUT", f"/{bucket}/slow", body=b"body")
    async with AsyncExitStack() as stack:
        for _ in range(PLACES):
            wire = await stack.enter_async_context(s3.connected())
            await wire.send(message[:-1])
        async with asyncio.timeout(ANSWER_SECONDS):
            while (await s3.get("/")).status == 200:  # noqa: ASYNC110 - until the server has seen all
                await asyncio.sleep(0.05)
        yield


async def test_a_request_beyond_the_limit_is_told_to_slow_down(s3: S3Client, bucket: str) -> None:
    async with every_place_taken(s3, bucket):
        answer = await within_a_second(lambda: s3.get(f"/{bucket}"))

    assert answer.refusal == (503, "SlowDown")
    assert answer.headers["retry-after"] == "1"
    assert answer.error("RequestId") == answer.headers["x-amz-request-id"]
    assert answer.error("HostId") == answer.headers["x-amz-id-2"]


async def test_a_refused_head_has_no_body_and_the_connection_goes_on(
    s3: S3Client, bucket: str
) -> None:
    async with s3.connected() as wire:
        async with every_place_taken(s3, bucket):
            refused = await s3.on(wire).head(f"/{bucket}")

        assert (refused.status, refused.body) == (503, b"")
        assert (await s3.on(wire).get(f"/{bucket}")).status == 200


async def test_a_worker_that_is_busy_still_says_that_it_lives(s3: S3Client, bucket: str) -> None:
    async with every_place_taken(s3, bucket):
        live = await within_a_second(lambda: s3.get("/-/live"))
        ready = await s3.get("/-/ready")

    assert (live.status, ready.refusal) == (200, (503, "SlowDown"))


async def test_a_request_that_finds_a_place_in_time_is_served(s3: S3Client, bucket: str) -> None:
    async with s3.connected() as wire:
        async with every_place_taken(s3, bucket):
            waiting = asyncio.create_task(s3.on(wire).get(f"/{bucket}"))
            await asyncio.sleep(0.1)
            assert not waiting.done()

        assert (await waiting).status == 200


async def test_what_a_stranger_sends_is_refused_before_its_signature_is_looked_at(
    s3: S3Client, bucket: str
) -> None:
    async with every_place_taken(s3, bucket):
        answer = await s3.signing("nowhere").get(f"/{bucket}")

    assert answer.refusal == (503, "SlowDown")


async def test_the_body_of_a_refused_upload_is_not_read_to_its_end(
    s3: S3Client, bucket: str
) -> None:
    message = s3.signing("header", "unsigned").message(
        "PUT", f"/{bucket}/huge", headers={"Content-Length": str(HUGE)}
    )
    async with every_place_taken(s3, bucket):
        sent = await asyncio.to_thread(send_until_it_is_cut, s3.endpoint, message, HUGE)

    assert sent < MOST_SENT
    assert await s3.keys_of(bucket) == []


async def test_the_client_of_a_refused_upload_learns_why(s3: S3Client, bucket: str) -> None:
    async with every_place_taken(s3, bucket):
        answer: Answer = await s3.put(f"/{bucket}/key", body=os.urandom(2 << 20))

    assert answer.refusal == (503, "SlowDown")
    assert answer.headers["connection"] == "close"


def send_until_it_is_cut(endpoint: str, head: bytes, size: int) -> int:
    """Return how many bytes of the body the server and the system took. Blocking."""
    url = urlsplit(endpoint)
    assert url.hostname
    assert url.port
    piece, sent = b"\0" * (1 << 20), 0
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        connection.sendall(head)
        try:
            while sent < size:
                sent += connection.send(piece)
        except ConnectionError:
            pass
    return sent
