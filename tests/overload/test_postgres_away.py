"""PostgreSQL stands still, is killed, or is restarted: 503 in the meantime, then service again."""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.metadata.embedded import EmbeddedPostgres
from tests.effort import IS_LONG
from tests.fix_s3 import S3Client, client_of, each_worker
from tests.fix_server import RunningServer, complaints_of, running_server
from tests.invariants import broken
from tests.overload.postgres_processes import signal_all_of, standing_still
from tests.wire import ANSWER_SECONDS, Answer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

# Requests are refused long before the limits of single statements and connections end them.
FOUND_OUT_SECONDS = 29
BACK_SECONDS = 30
# How long it is away, at least; otherwise until every kind of request was refused.
AWAY_SECONDS = 30 if IS_LONG else 0
PAUSE_SECONDS = 0.05

INLINE, BLOB = b"s" * 4000, os.urandom(100_000)
REQUESTS: Sequence[tuple[str, str, bytes | None]] = [
    ("GET", "/bucket/inline", None),
    ("GET", "/bucket/blob", None),
    ("PUT", "/bucket/new-inline", INLINE),
    ("PUT", "/bucket/new-blob", BLOB),
    ("DELETE", "/bucket/nothing", None),
    ("GET", "/bucket?list-type=2", None),
]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path) as running:
        yield running
        complaints = complaints_of(running)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
async def s3(own_server: RunningServer) -> S3Client:
    s3 = client_of(own_server)
    await fill(s3)
    return s3


async def fill(s3: S3Client) -> None:
    assert (await s3.put("/bucket")).status == 200
    assert (await s3.put("/bucket/inline", body=INLINE)).status == 200
    assert (await s3.put("/bucket/blob", body=BLOB)).status == 200


class Clients:
    """One client for each kind of request, asking again and again."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3
        self.answers: list[list[Answer]] = [[] for _ in REQUESTS]

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            over = asyncio.Event()
            for request, answers in zip(REQUESTS, self.answers, strict=True):
                group.create_task(self._ask(*request, answers, over))
            try:
                yield
            finally:
                over.set()

    async def _ask(
        self,
        method: str,
        target: str,
        body: bytes | None,
        answers: list[Answer],
        over: asyncio.Event,
    ) -> None:
        while not over.is_set():
            answers.append(await self._s3.request(method, target, body=body))
            await asyncio.sleep(PAUSE_SECONDS)

    async def until_each_was_answered(self, status: Callable[[int], bool], seconds: float) -> None:
        """Return once every client had such an answer, counted from now."""
        seen = [len(answers) for answers in self.answers]
        async with asyncio.timeout(seconds):
            while not all(  # noqa: ASYNC110 - what comes is another process's
                any(status(answer.status) for answer in answers[already:])
                for answers, already in zip(self.answers, seen, strict=True)
            ):
                await asyncio.sleep(PAUSE_SECONDS)

    @property
    def refusals(self) -> set[tuple[int, str | None]]:
        return {
            answer.refusal for answers in self.answers for answer in answers if answer.status >= 300
        }


def served(status: int) -> bool:
    return status in (200, 204)


def refused(status: int) -> bool:
    return status == 503


@contextlib.contextmanager
def held_down(postgres: Path) -> Iterator[None]:
    """Kill PostgreSQL; nobody can start it before the block ends."""
    with (postgres / "start.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        signal_all_of(postgres, signal.SIGKILL)
        yield


@pytest.mark.parametrize("trouble", [standing_still, held_down])
async def test_requests_are_refused_while_postgresql_is_away_and_served_afterwards(
    own_server: RunningServer,
    s3: S3Client,
    trouble: Callable[[Path], contextlib.AbstractContextManager[None]],
) -> None:
    assert own_server.data is not None
    clients = Clients(s3)
    async with clients.asking():
        await clients.until_each_was_answered(served, ANSWER_SECONDS)
        with trouble(own_server.data / "postgres"):
            back = asyncio.get_running_loop().time() + AWAY_SECONDS
            await clients.until_each_was_answered(refused, FOUND_OUT_SECONDS)
            await asyncio.sleep(max(0, back - asyncio.get_running_loop().time()))
        await clients.until_each_was_answered(served, BACK_SECONDS)

    await until_every_worker_serves(s3)
    assert clients.refusals <= {(503, "ServiceUnavailable"), (503, "SlowDown")}
    assert (await s3.get("/bucket/new-blob")).body == BLOB
    assert (await s3.get("/bucket/new-inline")).body == INLINE
    assert broken(own_server.metadata_url, own_server.data / "blobs") == []


async def until_every_worker_serves(s3: S3Client) -> None:
    """Each finds out for itself that PostgreSQL is back."""
    async with asyncio.timeout(BACK_SECONDS), each_worker(s3) as workers:
        for each in workers:
            while not served((await each.get("/bucket/inline")).status):  # noqa: ASYNC110
                await asyncio.sleep(PAUSE_SECONDS)


async def test_a_restart_of_postgresql_between_two_requests_is_not_noticed(tmp_path: Path) -> None:
    """Connections that died while they were idle are replaced before anything is sent over them."""
    directory = tmp_path / "postgres"
    postgres = EmbeddedPostgres(directory)
    postgres.__enter__()
    try:
        with running_server(tmp_path, database_url=postgres.url) as running:
            s3 = client_of(running)
            await fill(s3)
            async with each_worker(s3) as clients:
                await answered(clients)
                postgres.__exit__(None, None, None)
                postgres.__enter__()

                statuses = await answered(clients)
            assert not complaints_of(running)
    finally:
        postgres.__exit__(None, None, None)

    assert [status for status in statuses if not served(status)] == []


async def answered(clients: Sequence[S3Client]) -> list[int]:
    """Return the statuses of every kind of request, on every worker."""
    return [
        (await client.request(method, target, body=body)).status
        for client in clients
        for method, target, body in REQUESTS
    ]
