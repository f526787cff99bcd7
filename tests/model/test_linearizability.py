"""Every key is linearizable, on all workers together, and a listing never disagrees with reads.

The clients note when they asked and when they were answered; register.py judges what they saw. A
listing counts as a read of each key: after an acknowledged write it shows what was written.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.effort import IS_LONG
from tests.fix_s3 import client_of
from tests.fix_server import RunningServer, complaints_of, own_database, running_server
from tests.invariants import broken
from tests.model.clients import Client, History
from tests.model.node import end_connections
from tests.model.register import contradiction
from tests.model.sweeping import left_after_a_sweep
from tests.processes import workers_of

Kill = Callable[[RunningServer], None]

KEYS = ["one", "two", "three"]
CLIENTS = 8
TURNS = 300 if IS_LONG else 100
ROUNDS = 5 if IS_LONG else 1
KILLS = 3
SWEEPING = {"S3D_SWEEP_INTERVAL_SECONDS": "1", "S3D_TRASH_GRACE_SECONDS": "0"}


@pytest.fixture(scope="module")
def sweeping_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two workers, which may be killed; it sweeps without rest."""
    directory = tmp_path_factory.mktemp("linearizable")
    with (
        own_database() as database_url,
        running_server(directory, database_url=database_url, environment=SWEEPING) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, f"{running.log} has:\n" + "\n".join(complaints)


@pytest.fixture
async def history(sweeping_server: RunningServer) -> AsyncIterator[History]:
    """What clients see in a new bucket; afterwards no invariant is broken, nothing left over."""
    s3 = client_of(sweeping_server)
    name = f"test-{os.urandom(8).hex()}"
    assert (await s3.put(f"/{name}")).status == 200
    yield History(name, KEYS)
    assert sweeping_server.data is not None
    left = await left_after_a_sweep(sweeping_server)
    assert broken(sweeping_server.metadata_url, sweeping_server.data / "blobs") == []
    assert left == []


async def played(server: RunningServer, history: History, seed: int) -> None:
    """Let all clients take their turns; the dice are those of the seed."""
    s3 = client_of(server)
    clients = [Client(s3, history, seed * 100 + n) for n in range(CLIENTS)]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(TURNS))


def judged(history: History) -> str:
    """Return what no order explains, key by key; nothing where all is in order."""
    found = {key: contradiction(history.events[key]) for key in history.keys}
    return "\n".join(f"{key}: {stuck}" for key, stuck in found.items() if stuck is not None)


def kill_a_worker(server: RunningServer) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(workers_of(server)[0], signal.SIGKILL)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_reads_writes_and_listings_of_one_key_have_one_order(
    sweeping_server: RunningServer, history: History, seed: int
) -> None:
    await played(sweeping_server, history, seed)

    assert judged(history) == ""
    assert history.unanswered == 0


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(kill_a_worker, id="workers"),
        pytest.param(end_connections, id="connections to PostgreSQL"),
    ],
)
async def test_they_have_one_order_while_something_is_killed(
    sweeping_server: RunningServer, history: History, kill: Kill, seed: int
) -> None:
    """A write without an answer may have happened, at any time after it was sent, or never."""
    killing = asyncio.create_task(_kill_again_and_again(sweeping_server, kill, seed))
    await played(sweeping_server, history, seed)
    await killing

    assert judged(history) == ""
    assert history.unanswered > 0


async def _kill_again_and_again(server: RunningServer, kill: Kill, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.2, 0.6))
        await asyncio.to_thread(kill, server)
