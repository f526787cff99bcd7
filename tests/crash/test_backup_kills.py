"""A backup and a restore, killed at random moments: what is finished is whole, the rest goes on."""

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from server.blobs.archive import Archive
from server.jobs.restore import Source
from server.jobs.snapshot import blobs_of
from tests.blobs.disk import files_in
from tests.commands import GIVE_UP_SECONDS, database, run, start
from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, own_database, running_server
from tests.invariants import broken

pytestmark = [pytest.mark.crash, pytest.mark.slow]

KILLS = 12
SETTINGS = {"S3D_SWEEP_INTERVAL_SECONDS": "1", "S3D_TRASH_GRACE_SECONDS": "0"}
KEYS = 40
RANDOM = random.Random(7)


@asynccontextmanager
async def overwritten(s3: S3Client) -> AsyncIterator[None]:
    """Overwrite keys with new bodies until the block ends."""

    async def write_on() -> None:
        while True:
            key = RANDOM.randrange(KEYS)
            answer = await s3.put(f"/crash/{key}", body=os.urandom(50_000))
            assert answer.status == 200, answer.body

    writing = [asyncio.create_task(write_on()) for _ in range(2)]
    try:
        yield
        assert not [task for task in writing if task.done()]
    finally:
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)


def killed(process: subprocess.Popen[str], after_seconds: float) -> bool:
    """Kill the process then, unless it has ended; return whether it was killed."""
    with process:
        try:
            process.wait(after_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL


def killed_at_work(process: subprocess.Popen[str], work: Path, after_seconds: float) -> bool:
    """Kill the process so long after the file of its work was made; as above."""
    while not work.exists() and process.poll() is None:
        time.sleep(0.005)
    return killed(process, after_seconds)


def assert_every_finished_snapshot_is_whole(archive: Path) -> int:
    """Read everything that the finished snapshots name; return how many there are."""
    if not (archive / "snapshots").exists():
        return 0
    opened = Archive.to_list(archive)
    names = opened.finished()
    for name in names:
        source = Source.of(opened, name)
        assert source.description.unusable.blobs == 0
        columns = source.description.tables["blob"].columns
        for digest, size in blobs_of(source.directory, columns):
            data = opened.blobs.blob(digest).read_bytes()
            assert (hashlib.sha256(data).digest(), len(data)) == (digest, size)
    return len(names)


def values_of(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as conn:
        return set(conn.execute("SELECT key, etag FROM object_version").fetchall())


def back_up(server: RunningServer, archive: Path) -> subprocess.Popen[str]:
    assert server.data is not None
    environment = database(server.database_url)
    return start("backup", archive, "--data", server.data, environment=environment)


async def test_a_backup_that_is_killed_leaves_an_archive_that_can_be_used(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    finished, kills = 0, 0
    with (
        own_database() as url,
        running_server(tmp_path, database_url=url, environment=SETTINGS) as server,
    ):
        s3 = client_of(server)
        assert (await s3.put("/crash")).status == 200
        async with overwritten(s3):
            while kills < KILLS:
                process = back_up(server, archive)
                if await asyncio.to_thread(killed, process, RANDOM.uniform(0.5, 2.5)):
                    kills += 1
                else:
                    assert process.returncode == 0
                    finished += 1
                found = await asyncio.to_thread(assert_every_finished_snapshot_is_whole, archive)
                assert found >= finished
                finished = found
        assert not await asyncio.to_thread(killed, back_up(server, archive), GIVE_UP_SECONDS)
        values = values_of(server.metadata_url)

    assert [path.name for path in files_in(archive) if ".unfinished" in str(path)] == []
    assert files_in(archive / "blobs" / "staging") == []
    assert_every_finished_snapshot_is_whole(archive)
    with own_database() as url:
        restored = tmp_path / "restored"
        restored.mkdir()
        done = run("restore", archive, "--data", restored / "data", environment=database(url))
        assert done.returncode == 0, done.stderr
        with running_server(restored, database_url=url) as twin:
            assert values_of(twin.metadata_url) == values
            assert broken(twin.metadata_url, restored / "data" / "blobs") == []


async def test_a_restore_that_is_killed_goes_on_until_everything_is_there(tmp_path: Path) -> None:
    archive, restored = tmp_path / "archive", tmp_path / "restored"
    restored.mkdir()
    with own_database() as url, running_server(tmp_path, database_url=url) as server:
        s3 = client_of(server)
        assert (await s3.put("/crash")).status == 200
        for key in range(KEYS):
            assert (await s3.put(f"/crash/{key}", body=os.urandom(500_000))).status == 200
        assert not await asyncio.to_thread(killed, back_up(server, archive), GIVE_UP_SECONDS)
        values = values_of(server.metadata_url)

    kills = 0
    with own_database() as url:
        arguments = ("restore", archive, "--data", restored / "data")
        for number in range(KILLS):
            process = start(*arguments, environment=database(url))
            # The first one at once: a fast machine has restored everything within a second.
            after = RANDOM.uniform(0, number / 4)
            kills += killed_at_work(process, restored / "data" / "restoring", after)
        done = run(*arguments, environment=database(url))
        # One that came to its end before its time to be killed has left nothing to go on with.
        assert (done.returncode, "is not empty" in done.stderr) in ((0, False), (1, True))
        with running_server(restored, database_url=url) as twin:
            assert values_of(twin.metadata_url) == values
            assert broken(twin.metadata_url, restored / "data" / "blobs") == []
    assert kills > 0
