"""s3d sweep: what it leaves, what it prints, and who it makes way for."""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.blobs.bodies import digest_of
from tests.cli.stopped import PROJECT, Stopped, clean_environment
from tests.commands import GIVE_UP_SECONDS
from tests.jobs.world import LARGE, ORPHAN, TRASHED

NOTHING = dict.fromkeys(
    ("temp_files", "uploads", "manifests", "orphans", "trashed", "restored", "removed", "lost"), 0
)


def swept(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert (done.returncode, done.stderr) == (0, "")
    counts: dict[str, int] = json.loads(done.stdout)
    return {name: count for name, count in counts.items() if count != NOTHING[name]}


@pytest.fixture
def served(stopped: Stopped) -> Iterator[None]:
    """As of another node: a server holds the lock of the directory as long as it runs."""
    with (stopped.data / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


async def test_a_sweep_by_hand_takes_both_directions_and_leaves_the_young(
    stopped: Stopped,
) -> None:
    world = stopped.world
    (stopped.blobs / "staging" / "left").touch()
    await world.node.publish(ORPHAN)
    await world.node.delete("large")

    done = stopped.run("sweep", "--json")

    assert swept(done) == {"temp_files": 1, "trashed": 1}
    assert world.node.in_the_trash(LARGE).exists()
    assert world.node.in_the_trash(TRASHED).exists()
    assert world.file(ORPHAN).exists()


async def test_now_leaves_nothing_where_no_server_runs(stopped: Stopped) -> None:
    world = stopped.world
    await world.node.publish(ORPHAN)
    await world.node.delete("large")

    done = stopped.run("sweep", "--now", "--json")

    assert swept(done) == {"orphans": 1, "trashed": 1, "removed": 3}
    assert world.node.leftovers() == []
    assert world.node.broken() == []


@pytest.mark.usefixtures("served")
async def test_now_leaves_young_orphans_to_the_requests_of_a_server(stopped: Stopped) -> None:
    world = stopped.world
    await world.node.publish(ORPHAN)

    done = stopped.run("sweep", "--now", "--json")

    assert swept(done) == {"removed": 1}
    assert world.file(ORPHAN).exists()


async def test_the_grace_of_the_trash_is_that_of_the_server(stopped: Stopped) -> None:
    done = stopped.run("sweep", "--json", "--trash-grace-seconds", "0")

    assert swept(done) == {"removed": 1}


def test_words_say_the_same_as_json(stopped: Stopped) -> None:
    done = stopped.run("sweep")

    assert done.stdout == (
        "temp files: 0  uploads: 0  manifests: 0  orphans: 0"
        "  trashed: 0  restored: 0  removed: 0  lost: 0\n"
    )


@pytest.mark.parametrize("flags", [(), ("--now",)], ids=["sweep", "sweep --now"])
async def test_another_sweep_is_made_way_for(stopped: Stopped, flags: tuple[str, ...]) -> None:
    async with stopped.world.node.metadata.alone("sweep"):
        done = stopped.run("sweep", *flags)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: another sweep or a backup is at work\n"
    assert stopped.world.node.in_the_trash(TRASHED).exists()


def test_a_sweep_that_loses_its_lock_stops_and_says_so(stopped: Stopped) -> None:
    """A backup may have got it meanwhile, and need what --now would unlink."""
    with psycopg.connect(stopped.database_url) as conn:
        conn.execute("LOCK TABLE released_manifest")
        command = stopped.command("sweep", "--now")
        with subprocess.Popen(
            command,
            cwd=PROJECT,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as sweeping:
            until_it_waits(conn)
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND objsubid = 2"
            )
            conn.rollback()
            out, err = sweeping.communicate(timeout=GIVE_UP_SECONDS)

    assert (sweeping.returncode, out) == (1, "")
    assert err == "Error: the lock of the sweep was lost: PostgreSQL has ended its session\n"
    assert stopped.world.node.in_the_trash(TRASHED).exists()


def until_it_waits(conn: psycopg.Connection) -> None:
    """Return once somebody waits for a table that the connection has locked."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    waits = "SELECT FROM pg_locks WHERE relation = 'released_manifest'::regclass AND NOT granted"
    while conn.execute(waits).fetchone() is None:
        assert time.monotonic() < give_up
        time.sleep(0.05)


async def test_a_lost_blob_is_status_1(stopped: Stopped) -> None:
    """The mark of the trash is taken away, and nothing is unlinked: the next check names it."""
    await stopped.world.sql(
        "UPDATE blob SET trashed = '2024-01-01' WHERE digest = %(large)s", large=digest_of(LARGE)
    )
    stopped.world.file(LARGE).unlink()

    done = stopped.run("sweep")

    assert done.returncode == 1
    assert done.stderr.endswith("Error: 1 blobs are lost; s3d check names them\n")
    assert "blob without its file: 1" in stopped.run("check").stdout


def test_no_server_starts_while_now_is_at_work(stopped: Stopped) -> None:
    """Else its first uploads would be the orphans that go at once."""
    code = (
        "import sys; from pathlib import Path; from server.config import Settings;"
        "from server.cli.data_directory import locked_data_directory, unserved;"
        "settings = Settings(data=Path(sys.argv[1]), database_url='postgresql://')\n"
        "with unserved(settings) as is_unserved:\n"
        "    print(is_unserved)\n"
        "    with locked_data_directory(settings): pass"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(stopped.data)], capture_output=True, text=True, check=False
    )

    assert done.stdout == "True\n"
    assert "another s3d serves" in done.stderr
