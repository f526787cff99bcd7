"""kill -9 of any process under load. The ledger of the clients is the judge.

Whatever was answered 200 is read back with its bytes; what was under way is there whole or not at
all; and what a dead writer left lying is swept.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata.store import Metadata
from tests.concurrency.bodies import LARGE, SMALL, number_of, numbered
from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, running_server
from tests.invariants import broken, leftovers_in_the_end
from tests.operations.uploads import SentPart, Upload

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.skipif(
        "S3D_TEST_DATABASE_URL" in os.environ, reason="kills the PostgreSQL of its own server"
    ),
]

BUCKET = "ledger"
CLIENTS = 8
IMPATIENT = {"S3D_SWEEP_INTERVAL_SECONDS": "1", "S3D_TRASH_GRACE_SECONDS": "0"}
# A new PostgreSQL recovers, workers start again.
RECOVERY_SECONDS = 30
Gone = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)


@dataclass
class Ledger:
    """What a client knows of its key. None stands for "nothing is there"."""

    acknowledged: int | None = None
    under_way: set[int | None] = field(default_factory=set)  # asked for, and not answered
    answers: int = 0

    def ask(self, number: int | None) -> None:
        self.under_way.add(number)

    def answered(self, number: int | None) -> None:
        # Whatever was under way before was overtaken: one client does one thing after another.
        self.acknowledged, self.under_way = number, set()
        self.answers += 1

    def allows(self, found: int | None) -> bool:
        return found == self.acknowledged or found in self.under_way


class Load:
    """Clients that write, delete and upload in parts, each to a key of its own, without rest."""

    def __init__(self, seed: int) -> None:
        self.ledgers = [Ledger() for _ in range(CLIENTS)]
        self.server: RunningServer | None = None
        self._random = random.Random(seed)
        self._numbers = iter(range(10_000_000))

    @contextlib.asynccontextmanager
    async def running(self, server: RunningServer) -> AsyncIterator[None]:
        clients = [
            asyncio.create_task(self._client(client_of(server), number))
            for number in range(CLIENTS)
        ]
        try:
            yield
        finally:
            for client in clients:
                client.cancel()
            outcomes = await asyncio.gather(*clients, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in outcomes), outcomes

    async def _client(self, s3: S3Client, client: int) -> None:
        path, ledger = f"/{BUCKET}/key-{client}", self.ledgers[client]
        while True:
            number = None if self._random.random() < 0.1 else next(self._numbers)
            ledger.ask(number)
            try:
                is_done = await self._change(s3, path, number)
            except Gone:
                await asyncio.sleep(0.05)
                continue
            if is_done:
                ledger.answered(number)
            else:
                await asyncio.sleep(0.05)

    async def _change(self, s3: S3Client, path: str, number: int | None) -> bool:
        """Return whether the change was acknowledged; it may have been made where it was not."""
        if number is None:
            return (await s3.delete(path)).status == 204
        if number % 5 == 0:
            return await self._upload(s3, path, number)
        body = numbered(number, SMALL if number % 2 else LARGE)
        answer = await s3.put(path, body=body)
        assert answer.status in (200, 503), answer.body
        return answer.status == 200

    async def _upload(self, s3: S3Client, path: str, number: int) -> bool:
        created = await s3.post(f"{path}?uploads")
        if created.status != 200:
            return False
        upload = Upload(s3, path, created.texts("UploadId")[0])
        part = await upload.put(1, numbered(number, LARGE))
        if part.status != 200:
            return False
        return (await upload.complete([SentPart(1, part.etag)])).status == 200


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_a_worker(server: RunningServer) -> None:
    assert server.process is not None
    os.kill(children_of(server.process.pid)[0], signal.SIGKILL)


def kill_the_server(server: RunningServer) -> None:
    """The process manager and its workers; PostgreSQL lives on."""
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGKILL)


def kill_postgres(server: RunningServer) -> None:
    assert server.data is not None
    pid_file = server.data / "postgres" / "data" / "postmaster.pid"
    postmaster = int(pid_file.read_text().partition("\n")[0])
    assert postmaster > 1
    os.killpg(os.getpgid(postmaster), signal.SIGKILL)


def kill_everything(server: RunningServer) -> None:
    kill_the_server(server)
    kill_postgres(server)


async def found_in(s3: S3Client, client: int) -> int | None:
    answer = await s3.get(f"/{BUCKET}/key-{client}")
    if answer.refusal == (404, "NoSuchKey"):
        return None
    assert answer.status == 200, answer.body
    return number_of(answer.body)


async def refuted(load: Load, s3: S3Client) -> Sequence[str]:
    """Return what the server holds and no ledger allows."""
    found = [await found_in(s3, client) for client in range(CLIENTS)]
    return [
        f"key-{client} holds {number}, not {ledger}"
        for client, (number, ledger) in enumerate(zip(found, load.ledgers, strict=True))
        if not ledger.allows(number)
    ]


async def left_after_a_sweep(server: RunningServer) -> list[str]:
    """Return what is left once orphans, too, are swept, as hours later they would be."""
    assert server.data is not None
    blobs = server.data / "blobs"
    store = BlobStore.open(blobs, inline_limit=0, threads=2, read_only=ReadOnlyFlag())
    with contextlib.closing(store):
        async with Metadata.opened(
            server.metadata_url, connections=2, timeout_seconds=20
        ) as metadata:
            sweep = Sweep(metadata, store, grace_seconds=0)
            await sweep.trash_orphans(age_seconds=-60)
            await sweep.run()
            await sweep.run()
    # The server sweeps, too, and may be in the middle of it.
    return await leftovers_in_the_end(server.metadata_url, blobs)


async def until_answered(load: Load) -> None:
    """Return once every client was answered again, as clients that try again are."""
    before = [ledger.answers for ledger in load.ledgers]
    async with asyncio.timeout(RECOVERY_SECONDS):
        for ledger, count in zip(load.ledgers, before, strict=True):
            while ledger.answers == count:  # noqa: ASYNC110 - a ledger tells nobody
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("kill", [kill_a_worker, kill_postgres], ids=["a worker", "PostgreSQL"])
async def test_what_was_acknowledged_is_there_while_the_server_goes_on(
    tmp_path: Path, kill: Callable[[RunningServer], None]
) -> None:
    load = Load(seed=1)
    with running_server(tmp_path, environment=IMPATIENT) as server:
        s3 = client_of(server)
        await s3.put(f"/{BUCKET}")
        for _ in range(2):
            async with load.running(server):
                await until_answered(load)
                kill(server)
                await until_answered(load)

            assert await refuted(load, s3) == []

        assert broken(server.metadata_url, tmp_path / "data" / "blobs") == []
        assert await left_after_a_sweep(server) == []


@pytest.mark.parametrize("kill", [kill_the_server, kill_everything], ids=["server", "everything"])
async def test_what_was_acknowledged_is_there_after_a_restart(
    tmp_path: Path, kill: Callable[[RunningServer], None]
) -> None:
    load = Load(seed=2)
    with running_server(tmp_path, environment=IMPATIENT) as server:
        await client_of(server).put(f"/{BUCKET}")
    for moment in (0.0, 0.13, 0.31):
        with running_server(tmp_path, environment=IMPATIENT) as server:
            async with load.running(server):
                await until_answered(load)
                await asyncio.sleep(moment)
                kill(server)
                await asyncio.sleep(0.1)

        with running_server(tmp_path, environment=IMPATIENT) as server:
            assert await refuted(load, client_of(server)) == []
            assert broken(server.metadata_url, tmp_path / "data" / "blobs") == []
            assert await left_after_a_sweep(server) == []
