"""s3d check: what it prints, where, and its status. What it finds: tests/jobs/test_check.py."""

import asyncio
import json
import os
import pty
import subprocess
from pathlib import Path

import psycopg
import pytest

from server.metadata.embedded import EmbeddedPostgres
from tests.blobs.bodies import digest_of
from tests.cli.stopped import PROJECT, Stopped, clean_environment, copied, with_database
from tests.commands import run
from tests.fix_s3 import client_of
from tests.fix_server import running_server
from tests.jobs.world import LARGE, SMALL, flip_a_bit


def test_a_healthy_server_is_said_to_be(stopped: Stopped) -> None:
    done = stopped.run("check")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(
        "Looked at 1 bucket, 4 objects, 1 upload in progress, 5 blobs"
    )
    assert done.stdout.splitlines()[-1] == "Everything holds."


def test_what_is_broken_is_one_line_with_a_few_examples(stopped: Stopped) -> None:
    for number in range(7):
        (stopped.blobs / "ab" / f"note-{number}").touch()
    stopped.world.file(LARGE).unlink()

    done = stopped.run("check")

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert lines[:2] == [
        "must    D1         blob without its file: 1",
        f"        {digest_of(LARGE).hex()}",
    ]
    assert lines[2] == "should  directory  foreign file: 7"
    assert len([line for line in lines if "/ab/note-" in line]) == 5
    assert lines[8] == "        … and 2 more; --json shows all"
    assert lines[-1] == "Broken: 1 that must hold, 7 that should."


def test_json_has_a_line_a_finding_and_the_summary_last(stopped: Stopped) -> None:
    for number in range(7):
        (stopped.blobs / "ab" / f"note-{number}").touch()

    done = stopped.run("check", "--json")

    *findings, summary = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert sorted(each["subject"] for each in findings) == [
        str(stopped.blobs / "ab" / f"note-{number}") for number in range(7)
    ]
    assert {(each["severity"], each["rule"], each["broken"]) for each in findings} == {
        ("should", "directory", "foreign file")
    }
    assert (summary["broken"], summary["complete"]) == (7, True)
    assert summary["looked_at"]["blobs"] == 5
    assert summary["looked_at"]["scrub"] == {"never_seen": 4, "oldest": None, "rotten": 0}


def test_read_data_reads_every_byte(stopped: Stopped) -> None:
    path = stopped.world.file(LARGE)
    path.write_bytes(b"x" * len(LARGE))

    names_alone = stopped.run("check")
    every_byte = stopped.run("check", "--read-data")

    assert names_alone.returncode == 0
    assert every_byte.returncode == 1
    assert "must    D9         rotten blob: 1" in every_byte.stdout


async def test_what_the_scrub_saw_is_said(stopped: Stopped) -> None:
    await stopped.world.sql(
        "UPDATE blob SET seen_whole = '2024-05-06 07:08:09+00' WHERE size < 9000"
    )

    done = stopped.run("check")

    assert "The scrub has not seen 1 blob yet; oldest look 2024-05-06 07:08:09." in done.stdout


async def test_a_scrub_that_has_seen_every_blob_is_said_to_have(stopped: Stopped) -> None:
    await stopped.world.sql("UPDATE blob SET seen_whole = '2024-05-06 07:08:09+00'")

    done = stopped.run("check")

    assert "The scrub has seen every blob; oldest look 2024-05-06 07:08:09." in done.stdout


async def test_keys_and_names_move_no_cursor(stopped: Stopped) -> None:
    await stopped.world.sql(
        "UPDATE object_version SET key = E'a\\x1b[2Jb\\nc', size = 7 WHERE body IS NOT NULL"
    )
    os.close(os.open(bytes(stopped.blobs / "ab") + b"/\xff\x1b[2J", os.O_CREAT))

    words, lines = stopped.run("check"), stopped.run("check", "--json")

    assert "        bucket/a\\x1b[2Jb\\nc  7 bytes" in words.stdout
    assert f"{stopped.blobs}/ab/\\udcff\\x1b[2J" in words.stdout
    assert "\x1b" not in words.stdout + lines.stdout
    assert [json.loads(line)["subject"] for line in lines.stdout.splitlines()[:-1]] == [
        "bucket/a\x1b[2Jb\nc",
        f"{stopped.blobs}/ab/\\udcff\x1b[2J",
    ]


def test_a_terminal_sees_how_far_it_is(stopped: Stopped) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        stopped.command("check", "--read-data"),
        cwd=PROJECT,
        env={**clean_environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = _read_to_the_end(ours)
        printed = process.communicate()[0].decode()

    assert process.returncode == 0
    assert "rows  [" in shown
    assert "bytes of blobs  [" in shown
    assert "[" not in printed


def _read_to_the_end(terminal: int) -> str:
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:  # what Linux says when the other side is closed
        pass
    os.close(terminal)
    return shown.decode()


def test_a_usage_that_is_wrong_has_status_2(stopped: Stopped) -> None:
    assert stopped.run("check", "--everything").returncode == 2


@pytest.mark.parametrize(
    "command", [("check",), ("sweep",), ("sweep", "--now"), ("blob", "a" * 64)]
)
def test_a_directory_that_is_no_servers_is_refused_and_left_alone(
    tmp_path: Path, database_url: str, command: tuple[str, ...], stopped: Stopped
) -> None:
    (tmp_path / "typo").mkdir()
    elsewhere = Stopped(tmp_path / "typo", database_url, stopped.world)

    done = elsewhere.run(*command)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path}/typo/blobs is no blob directory" in done.stderr
    assert not (tmp_path / "typo" / "blobs").exists()


@pytest.mark.parametrize(
    "command", [("check",), ("sweep",), ("sweep", "--now"), ("blob", "a" * 64)]
)
def test_a_data_directory_that_is_not_there_is_said_not_to_be(
    tmp_path: Path, database_url: str, command: tuple[str, ...]
) -> None:
    data = tmp_path / "typo"

    done = run(*command, "--data", data, environment={"S3D_DATABASE_URL": database_url})

    assert (done.returncode, done.stderr) == (1, f"Error: there is no data directory {data}\n")
    assert not data.exists()


@pytest.fixture
async def data(tmp_path: Path, template: Path) -> Path:
    """A data directory with a PostgreSQL of its own, which a test may break."""
    data = tmp_path / "data"
    copied(template, data)
    await with_database(data)
    return data


@pytest.mark.slow
def test_rows_that_postgresql_cannot_read_are_named_and_the_rest_is_looked_at(data: Path) -> None:
    assert run("check", "--data", data).returncode == 0
    with EmbeddedPostgres(data / "postgres") as postgres, psycopg.connect(postgres.url) as conn:
        conn.execute("INSERT INTO manifest DEFAULT VALUES")
        conn.execute("INSERT INTO released_manifest SELECT id FROM manifest")
        row = conn.execute("SELECT pg_relation_filepath('manifest')").fetchone()
    assert row is not None
    flip_a_bit(data / "postgres" / "data" / row[0])

    done = run("check", "--data", data)

    assert done.returncode == 1, done.stderr
    assert "must    rows       rows that PostgreSQL cannot read: 2" in done.stdout
    assert "nothing names it and nobody will look  invalid page in block 0" in done.stdout
    assert "manifest_pkey  invalid page in block 0" in done.stdout
    assert done.stdout.splitlines()[-1] == "Broken: 2 that must hold, 0 that should."


async def test_what_was_found_is_said_where_the_check_has_to_break_off(stopped: Stopped) -> None:
    done = await _broken_off(stopped)

    assert done.returncode == 1
    assert done.stdout.startswith("must    rows       slice at another place: 1\n")
    assert done.stdout.splitlines()[-1] == (
        "The check broke off before its end. So far: Broken: 1 that must hold, 0 that should."
    )
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


async def test_json_has_its_summary_where_the_check_has_to_break_off(stopped: Stopped) -> None:
    done = await _broken_off(stopped, "--json")

    finding, summary = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert finding["broken"] == "slice at another place"
    assert (summary["broken"], summary["complete"]) == (1, False)
    assert summary["looked_at"]["objects"] == 4


async def _broken_off(stopped: Stopped, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a check that finds one thing; PostgreSQL ends its session at the next question but few.

    It waits for a table that is locked until then.
    """
    conn = stopped.world.conn
    await stopped.world.sql("UPDATE slice SET part_byte = 1 WHERE number = 2")
    async with conn.transaction(), asyncio.timeout(60):
        await conn.execute("LOCK TABLE released_blob IN ACCESS EXCLUSIVE MODE")
        checking = asyncio.create_task(asyncio.to_thread(stopped.run, "check", *options))
        ended: object = None
        while ended is None:
            await asyncio.sleep(0.05)
            cursor = await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE NOT granted AND relation = 'released_blob'::regclass"
            )
            ended = await cursor.fetchone()
        return await checking


@pytest.mark.slow
async def test_check_works_beside_a_server_and_after_it(tmp_path: Path) -> None:
    data = tmp_path / "data"

    def check() -> tuple[int, str]:
        done = run("check", "--read-data", "--data", data)
        return done.returncode, done.stdout.splitlines()[-1]

    with running_server(tmp_path) as server:
        s3 = client_of(server)
        await s3.put("/bucket")
        await s3.put("/bucket/small", body=SMALL)
        await s3.put("/bucket/large", body=LARGE)
        beside = check()
    after = check()

    assert beside == (0, "Everything holds.")
    assert after == (0, "Everything holds.")
    assert not (data / "postgres" / "data" / "postmaster.pid").exists()


def test_a_postgres_that_may_lose_commits_is_broken_and_all_else_is_looked_at(data: Path) -> None:
    (data / "postgres" / "local.conf").write_text("fsync = off\n")
    (data / "blobs" / "ab" / "note").touch()

    done = run("check", "--data", data, "--json")

    *findings, summary = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1, done.stderr
    assert [(each["rule"], each["subject"]) for each in findings] == [
        ("D2", "PostgreSQL runs with fsync=off; on is needed"),
        ("directory", str(data / "blobs" / "ab" / "note")),
    ]
    assert summary["complete"]
