"""kill -9 of any process at a random moment under load. The ledger of the clients is the judge.

Whatever was answered 200 is read back with its bytes; what was under way is there whole or not at
all; no invariant is broken; and what a dead writer left lying is swept.
"""

import asyncio
import itertools
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests import fix_totals
from tests.crash.judgement import assert_nothing_is_lost, restless_sweep
from tests.crash.load import BUCKET, RECOVERY_SECONDS, Load
from tests.crash.processes import ENDS_THE_SERVER, KILLS, kill_everything
from tests.fix_s3 import client_of
from tests.fix_server import RunningServer, complaints_of, running_server, starting_server
from tests.fix_totals import FULL, Count
from tests.invariants import broken

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.skipif(
        "S3D_TEST_DATABASE_URL" in os.environ, reason="kills the PostgreSQL of its own server"
    ),
]

IMPATIENT = {"S3D_SWEEP_INTERVAL_SECONDS": "1", "S3D_TRASH_GRACE_SECONDS": "0"}
# The long run: ten servers, each killed so often. The cheap ones are the many.
LONG: Mapping[str, int] = {
    "worker": 30,
    "PostgreSQL backend": 12,
    "manager": 3,
    "postmaster": 3,
    "everything": 2,
}
SHORT: Mapping[str, int] = dict.fromkeys(KILLS, 1)
ROUNDS: Sequence[int] = range(10) if FULL else range(1)
STARTS: Sequence[int] = range(5) if FULL else range(1)
KILLED_STARTS = 4 if FULL else 2
# Making the cluster takes the most of a first start.
START_SECONDS = 2.5
# A kill comes at a moment up to so long after the clients were answered again.
MOMENT_SECONDS = 0.4


@pytest.mark.parametrize("seed", ROUNDS)
async def test_what_was_acknowledged_outlives_the_kill_of_any_process(
    seed: int, tmp_path: Path, count: Count
) -> None:
    choose = random.Random(seed)
    load = Load(tmp_path / "ledger", seed=seed)
    kills = (LONG if FULL else SHORT).items()
    due = [kind for kind, times in kills for _ in range(times)]
    choose.shuffle(due)
    with running_server(tmp_path, environment=IMPATIENT) as server:
        assert (await client_of(server).put(f"/{BUCKET}")).status == 200

    for life in lives(due):
        with running_server(tmp_path, environment=IMPATIENT) as server:
            await assert_nothing_is_lost(server, load)
            await one_life(server, load, life, choose)
            if life[-1] not in ENDS_THE_SERVER:
                await assert_nothing_is_lost(server, load)
    with running_server(tmp_path, environment=IMPATIENT) as server:
        await assert_nothing_is_lost(server, load)

    assert complaints_of(server) == []
    for kind in due:
        count(fix_totals.KILLS, kind=kind)


@pytest.mark.parametrize("seed", STARTS)
async def test_a_server_that_is_killed_while_it_starts_starts_again(
    seed: int, tmp_path: Path, count: Count
) -> None:
    """Its first start among them: PostgreSQL has no cluster yet, the blobs no directories."""
    choose = random.Random(seed)
    for _ in range(KILLED_STARTS):
        with starting_server(tmp_path, environment=IMPATIENT) as server:
            await asyncio.sleep(choose.uniform(0, START_SECONDS))
            kill_everything(server, choose)

    with running_server(tmp_path, environment=IMPATIENT) as server:
        s3 = client_of(server)
        assert (await s3.put(f"/{BUCKET}")).status == 200
        assert (await s3.put(f"/{BUCKET}/key", body=os.urandom(100_000))).status == 200
        assert broken(server.metadata_url, tmp_path / "data" / "blobs") == []
    count(fix_totals.KILLS, KILLED_STARTS, kind="everything, while it starts")


async def one_life(
    server: RunningServer, load: Load, kills: Sequence[str], choose: random.Random
) -> None:
    """Kill one process after the other; after each one the clients must be served again."""
    async with restless_sweep(server), load.running(server):
        for kind in kills:
            await load.until_answered()
            await asyncio.sleep(choose.uniform(0, MOMENT_SECONDS))
            async with asyncio.timeout(RECOVERY_SECONDS):
                while not KILLS[kind](server, choose):  # noqa: ASYNC110 - processes tell nobody
                    await asyncio.sleep(0.02)
        if kills[-1] not in ENDS_THE_SERVER:
            await load.until_answered()


def lives(kills: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut the sequence behind each kill after which the server has to be started again."""
    started = itertools.accumulate((kind in ENDS_THE_SERVER for kind in kills), initial=False)
    for _, life in itertools.groupby(zip(started, kills, strict=False), key=lambda each: each[0]):
        yield [kind for _, kind in life]
