"""A database that is not that of the data: commands and servers say so, and change nothing."""

import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.cli.stopped import Stopped, with_database
from tests.commands import run
from tests.jobs.world import LARGE

COMMANDS = [
    ["check"],
    ["sweep"],
    ["sweep", "--now"],
    ["blob", "0" * 64],
    ["backup", "DEST"],
    ["account", "list"],
    ["account", "create", "alice"],
]
OF_BLOBS = [each for each in COMMANDS if each[0] != "account"]


@pytest.fixture
def another_database(stopped: Stopped) -> Stopped:
    """The directory of one server with the database of another, which names the same blobs."""
    with psycopg.connect(stopped.database_url, autocommit=True) as conn:
        conn.execute("UPDATE blob_directory SET id = gen_random_uuid()")
    return stopped


def in_full(command: list[str], tmp_path: Path) -> list[str]:
    return [str(tmp_path / "dest") if each == "DEST" else each for each in command]


def everything_in(blobs: Path) -> list[Path]:
    return sorted(path for path in blobs.rglob("*"))


def serve(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run("serve", data, "--address", "127.0.0.1:0", *options)


@pytest.mark.parametrize("command", OF_BLOBS, ids=" ".join)
async def test_a_command_refuses_the_directory_of_another_database(
    another_database: Stopped, command: list[str], tmp_path: Path
) -> None:
    await another_database.world.node.delete("large")
    before = everything_in(another_database.blobs)

    done = another_database.run(*in_full(command, tmp_path))

    assert done.returncode == 1
    assert f"{another_database.blobs} belongs to another database" in done.stderr
    assert everything_in(another_database.blobs) == before
    assert another_database.world.node.at_its_place(LARGE).exists()


async def test_a_server_refuses_the_directory_of_another_database(
    another_database: Stopped,
) -> None:
    done = serve(another_database.data, "--database-url", another_database.database_url)

    assert done.returncode == 1
    assert f"{another_database.blobs} belongs to another database" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_command_makes_nothing_in_an_empty_database(
    stopped: Stopped, empty_database_url: str, command: list[str], tmp_path: Path
) -> None:
    elsewhere = Stopped(stopped.data, empty_database_url, stopped.world)

    done = elsewhere.run(*in_full(command, tmp_path))

    assert done.returncode == 1
    assert "the database holds nothing of s3d" in done.stderr
    assert tables(empty_database_url) == 0


async def test_a_server_makes_nothing_in_an_empty_database_for_data_that_has_one(
    stopped: Stopped, empty_database_url: str
) -> None:
    done = serve(stopped.data, "--database-url", empty_database_url)

    assert done.returncode == 1
    assert "the database holds nothing of s3d" in done.stderr
    assert tables(empty_database_url) == 0


def tables(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("command", [*COMMANDS, ["serve"]], ids=" ".join)
async def test_nothing_makes_a_new_database_where_the_old_one_is_lost(
    command: list[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    await with_database(data)
    shutil.rmtree(data / "postgres")

    done = serve(data) if command == ["serve"] else run(*in_full(command, tmp_path), "--data", data)

    assert done.returncode == 1
    assert f"there is no database in {data}/postgres" in done.stderr
    assert not (data / "postgres" / "data").exists()
