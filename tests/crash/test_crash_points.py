"""A worker is killed at every call that a PutObject makes, one after the other.

What was answered is there afterwards, what was not is there whole or not at all, and no file of a
dead writer stays. The kernel, PostgreSQL and the other processes live on: a power cut is another
test's subject.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.tracing import traced
from tests.fix_s3 import Disk, S3Client, client_of
from tests.fix_server import RunningServer, own_database, running_server
from tests.invariants import broken
from tests.processes import workers_of

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SETTINGS = {
    # One thread writes: the n-th call of that thread is the n-th call of a request.
    "S3D_BLOB_THREADS": "1",
    "S3D_SWEEP_INTERVAL_SECONDS": "2",
}
# Far more calls of one kind than a PutObject makes: a test that gets here does not end.
TOO_MANY = 40


@dataclass
class Ledger:
    """What a client knows: bodies by key, and which of them were acknowledged."""

    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Node:
    """A server with one worker, which is killed again and again."""

    server: RunningServer
    s3: S3Client
    strace: Path
    trace: Path
    ledger: Ledger

    async def put(self, key: str) -> bool:
        """Send a body of its own; return whether it was acknowledged."""
        body = self.ledger.sent[key] = os.urandom(100_000)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            answer = await self.s3.put(f"/crash/{key}", body=body)
            assert answer.status == 200, answer.body
            self.ledger.acknowledged.add(key)
            return True
        return False

    async def warmed_up(self) -> int:
        """Return the worker, after it has written something."""
        key = f"warm-{len(self.ledger.sent)}"
        for _ in range(200):
            with suppress(OSError):
                if await self.put(key):
                    (worker,) = workers_of(self.server)
                    return worker
            await asyncio.sleep(0.05)
        raise AssertionError("the worker was not replaced")

    async def survives(self, worker: int, thread: int, call: str, when: int) -> bool:
        """Kill the worker at that call of a PutObject; return whether it makes less of them."""
        kill = f"inject={call}:signal=SIGKILL:when={when}"
        options = ("-e", f"trace={call}", "-e", kill)
        async with traced(self.strace, thread, self.trace, *options):
            await self.put(f"{call}-{when}-{thread}")
        # The answer does not tell: a request that a dead worker had not accepted goes to the next.
        return worker in workers_of(self.server)

    async def assert_nothing_is_lost_or_torn(self) -> None:
        """Compare what can be read with the ledger, and the database with the disk."""
        for key, body in self.ledger.sent.items():
            answer = await self.s3.get(f"/crash/{key}")
            is_absent = answer.status == 404 and key not in self.ledger.acknowledged
            assert is_absent or (answer.status, answer.body == body) == (200, True), key
        assert self.server.data is not None
        blobs = self.server.data / "blobs"
        assert await Disk(blobs).staged_afterwards() == []
        assert broken(self.server.metadata_url, blobs) == []


def thread_that_writes(worker: int) -> int:
    """Return the thread of the worker, beside the main one, that has written the most."""
    threads = {int(each.name) for each in Path(f"/proc/{worker}/task").iterdir()} - {worker}
    return max(threads, key=lambda thread: _written(worker, thread))


def _written(worker: int, thread: int) -> int:
    counters = Path(f"/proc/{worker}/task/{thread}/io").read_text().split()
    return int(counters[counters.index("wchar:") + 1])


@pytest.fixture(scope="module")
async def node(strace: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    directory = tmp_path_factory.mktemp("crash")
    with (
        own_database() as database_url,
        running_server(
            directory, workers=1, database_url=database_url, environment=SETTINGS
        ) as server,
    ):
        s3 = client_of(server)
        assert (await s3.put("/crash")).status == 200
        yield Node(server, s3, strace, directory / "trace", Ledger())


@pytest.mark.parametrize("call", ["openat", "flock", "fallocate", "write", "fsync", "rename"])
async def test_a_put_object_is_killed_at_every_call_to_the_file_system(
    node: Node, call: str
) -> None:
    for when in itertools.count(1):
        worker = await node.warmed_up()
        if await node.survives(worker, thread_that_writes(worker), call, when):
            break
        assert when < TOO_MANY

    assert when > 1, f"a PutObject calls {call}"
    await node.assert_nothing_is_lost_or_torn()


@pytest.mark.parametrize("call", ["sendto", "write"])
async def test_a_put_object_is_killed_whenever_it_speaks_to_postgresql_or_the_client(
    node: Node, call: str
) -> None:
    for when in itertools.count(1):
        worker = await node.warmed_up()
        if await node.survives(worker, worker, call, when):
            break
        assert when < TOO_MANY

    assert when > 1, f"a PutObject calls {call}"
    await node.assert_nothing_is_lost_or_torn()
