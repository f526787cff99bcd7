"""More connections than the workers hold open: they are told so, and the others go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, complaints_of, own_database, running_server
from tests.overload.load import within_a_second
from tests.wire import Wire

WORKERS = 2
EACH = 4


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of two workers that hold four connections each."""
    few = {"S3D_MAX_CONNECTIONS": str(EACH)}
    with (
        own_database() as url,
        running_server(
            tmp_path_factory.mktemp("crowded"), workers=WORKERS, database_url=url, environment=few
        ) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def s3(crowded: RunningServer) -> S3Client:
    return client_of(crowded)


@asynccontextmanager
async def every_connection_taken(s3: S3Client) -> AsyncIterator[list[Wire]]:
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        taken: list[Wire] = []
        while len(taken) < WORKERS * EACH:
            wire = await stack.enter_async_context(s3.connected())
            if (await s3.on(wire).get("/")).status == 200:
                taken.append(wire)
        yield taken


async def test_a_connection_too_many_is_told_to_slow_down(s3: S3Client) -> None:
    async with every_connection_taken(s3):
        answer = await within_a_second(lambda: s3.get("/"))
        async with s3.connected() as wire:
            await s3.on(wire).get("/")
            rest = await wire.rest()

    assert answer.refusal == (503, "SlowDown")
    assert answer.headers["connection"] == "close"
    assert answer.error("RequestId") == answer.headers["x-amz-request-id"]
    assert rest == b""


async def test_the_client_of_a_connection_too_many_learns_why_its_upload_was_refused(
    s3: S3Client,
) -> None:
    async with every_connection_taken(s3):
        answer = await s3.put("/bucket/key", body=bytes(1 << 20))

    assert answer.refusal == (503, "SlowDown")


async def test_a_head_on_a_connection_too_many_has_no_body(s3: S3Client) -> None:
    async with every_connection_taken(s3), s3.connected() as wire:
        await wire.send(s3.message("HEAD", "/bucket"))
        received = await wire.rest()

    assert received.startswith(b"HTTP/1.1 503 ")
    assert received.endswith(b"\r\n\r\n")


async def test_a_connection_too_many_that_says_nothing_is_closed(s3: S3Client) -> None:
    async with every_connection_taken(s3), s3.connected() as wire:
        assert await wire.rest() == b""


async def test_the_connections_that_are_open_go_on(s3: S3Client) -> None:
    async with every_connection_taken(s3) as taken:
        await s3.get("/")

        assert [(await s3.on(wire).get("/")).status for wire in taken] == [200] * WORKERS * EACH


async def test_a_connection_that_ends_makes_room(s3: S3Client) -> None:
    async with every_connection_taken(s3) as taken:
        taken[0].vanish()

        async with asyncio.timeout(30):
            while (await s3.get("/")).status != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
