"""The power cut: blobs and PostgreSQL each on a disk of its own, cut at a random moment under load.

Two disks, because one journal would hide the fsync that the other half forgot. What was answered
200 is there after the restart; the ledger lies on another disk.
"""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import fix_totals
from tests.crash.judgement import assert_nothing_is_lost, defects_of, in_silence
from tests.crash.load import BUCKET, Load
from tests.crash.loop_disks import LoopDisk, loop_disks, why_not
from tests.crash.processes import kill_everything
from tests.fix_s3 import client_of
from tests.fix_server import debian_program, running_server, starting_server
from tests.fix_totals import CUTS, FULL, Count, not_run

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.skipif(
        "S3D_TEST_DATABASE_URL" in os.environ,
        reason=not_run(CUTS, "this PostgreSQL lies on a disk that is not ours to cut"),
    ),
]

IMPATIENT = {"S3D_SWEEP_INTERVAL_SECONDS": "1", "S3D_TRASH_GRACE_SECONDS": "0"}
UNDER_LOAD, AT_START = "under load", "while the server starts"
# Under load the next fsync of anybody brings along what this one forgot: not after the last one.
IN_SILENCE = "after the last answer"
# The long run: five pairs of disks, each cut so often.
LONG: Sequence[str] = [UNDER_LOAD] * 6 + [IN_SILENCE] * 2 + [AT_START] * 2
SHORT: Sequence[str] = [UNDER_LOAD, IN_SILENCE]
ROUNDS: Sequence[int] = range(5) if FULL else range(1)
FIRST_STARTS: Sequence[int] = range(4) if FULL else range(1)
# A cut comes at a moment up to so long after clients were answered, or after the server began.
MOMENT_SECONDS = 1.2
# Before it is done the server makes its directories and PostgreSQL its cluster.
FIRST_START_SECONDS = 3.0


@pytest.fixture(scope="module")
def power(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip the tests, saying that they are NOT RUN, where no power can be cut."""
    debian_program("/usr/sbin/mkfs.ext4", "e2fsprogs")
    if why := why_not(tmp_path_factory.mktemp("trial") / "images"):
        pytest.skip(not_run(CUTS, why))


@pytest.fixture
def disks(power: None, tmp_path: Path) -> Iterator[Sequence[LoopDisk]]:
    """The disk of the blobs and that of PostgreSQL, mounted below tmp_path/data."""
    data = tmp_path / "data"
    data.mkdir(mode=0o711)
    with loop_disks(tmp_path, data / "blobs", data / "postgres") as both:
        yield both


@pytest.mark.parametrize("seed", ROUNDS)
async def test_what_was_acknowledged_outlives_a_power_cut(
    seed: int, disks: Sequence[LoopDisk], tmp_path: Path, count: Count
) -> None:
    choose = random.Random(seed)
    # A disk without power fails an fsync, which is answered 500.
    load = Load(tmp_path / "ledger", seed=seed, unavailable={500, 503})
    with running_server(tmp_path, environment=IMPATIENT) as server:
        assert (await client_of(server).put(f"/{BUCKET}")).status == 200

    moments = LONG if FULL else SHORT
    for moment in choose.sample(moments, len(moments)):
        if moment == AT_START:
            await cut_while_it_starts(tmp_path, disks, choose)
        else:
            await cut_while_it_serves(tmp_path, disks, load, choose, is_silent=moment == IN_SILENCE)
        count(fix_totals.CUTS, kind=moment)
    with running_server(tmp_path, environment=IMPATIENT) as server:
        await assert_nothing_is_lost(server, load)
    # Of the trouble that a dead disk makes nothing is unforeseen.
    assert defects_of(server) == []


@pytest.mark.parametrize("seed", FIRST_STARTS)
async def test_a_power_cut_during_the_first_start_is_made_good(
    seed: int, disks: Sequence[LoopDisk], tmp_path: Path, count: Count
) -> None:
    choose = random.Random(seed)
    await cut_while_it_starts(tmp_path, disks, choose, FIRST_START_SECONDS)

    with running_server(tmp_path, environment=IMPATIENT) as server:
        assert (await client_of(server).put(f"/{BUCKET}")).status == 200
    count(fix_totals.CUTS, kind="during the first start")


async def cut_while_it_serves(
    directory: Path,
    disks: Sequence[LoopDisk],
    load: Load,
    choose: random.Random,
    *,
    is_silent: bool,
) -> None:
    with running_server(directory, environment=IMPATIENT) as server:
        await assert_nothing_is_lost(server, load)
        async with load.running(server):
            await load.until_answered()
            await asyncio.sleep(choose.uniform(0, MOMENT_SECONDS))
            if not is_silent:
                cut(disks, choose)
                # Whoever acknowledges now what is not on a disk is found out.
                await asyncio.sleep(choose.uniform(0, 0.1))
        if is_silent:
            async with in_silence(server):
                await load.put_one(client_of(server))
                cut(disks, choose)
        kill_everything(server, choose)
    back_again(disks)


async def cut_while_it_starts(
    directory: Path,
    disks: Sequence[LoopDisk],
    choose: random.Random,
    within_seconds: float = MOMENT_SECONDS,
) -> None:
    """Cut it in the recovery of the cut before, as a rule."""
    with starting_server(directory, environment=IMPATIENT) as server:
        await asyncio.sleep(choose.uniform(0, within_seconds))
        cut(disks, choose)
        kill_everything(server, choose)
    back_again(disks)


def cut(disks: Sequence[LoopDisk], choose: random.Random) -> None:
    for disk in choose.sample(disks, len(disks)):
        disk.cut()


def back_again(disks: Sequence[LoopDisk]) -> None:
    for disk in disks:
        disk.unmount()
        disk.mount()
