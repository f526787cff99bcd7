"""The embedded PostgreSQL: a long crash recovery, a long log, and what others can reach of it."""

import asyncio
import os
import signal
from pathlib import Path

import psycopg
import pytest
import structlog
from psycopg.errors import DivisionByZero

from server.metadata.embedded import EmbeddedPostgres
from tests.fix_server import running_server
from tests.metadata.postgres_processes import another_user, ask, eventually, postmaster
from tests.overload.postgres_processes import files_of, signal_all_of

# The starter that comes with the programs gives up after ten seconds.
LONG_SECONDS = 11
LARGEST_LOG = 16 << 20


@pytest.mark.slow
async def test_a_start_waits_for_a_crash_recovery_however_long_it_takes(tmp_path: Path) -> None:
    """PostgreSQL asks for each piece of its log, and is not answered for eleven seconds."""
    directory = tmp_path / "postgres"
    with another_user(directory) as user:
        await asyncio.to_thread(ask, EmbeddedPostgres(directory), "SELECT 1")
        signal_all_of(directory, signal.SIGKILL)
        user.kill()
    hold = tmp_path / "hold"
    hold.touch()
    wait = f"while test -e {hold}; do sleep 0.1; done; false"
    (directory / "local.conf").write_text(f"restore_command = '{wait}'\n")
    (directory / "local.conf").chmod(0o644)
    (directory / "data" / "recovery.signal").touch()
    os.chown(directory / "data" / "recovery.signal", (directory / "data").stat().st_uid, -1)
    postgres = EmbeddedPostgres(directory)

    with structlog.testing.capture_logs() as said:
        entering = asyncio.create_task(asyncio.to_thread(postgres.__enter__))
        await asyncio.sleep(LONG_SECONDS)
        was_waiting = not entering.done()
        hold.unlink()
        await entering
    try:
        answer = await asyncio.to_thread(ask, postgres, "SELECT 1")
    finally:
        postgres.__exit__(None, None, None)

    assert was_waiting
    assert answer == 1
    starting = [line["seconds"] for line in said if "is starting" in line["event"]]
    assert len(starting) >= 2


def test_no_process_of_postgres_listens_on_a_port(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    with EmbeddedPostgres(directory):
        files = files_of(directory)
        tables = [Path(f"/proc/{postmaster(directory)}/net/{name}") for name in ("tcp", "tcp6")]
        ports = [
            fields[1]
            for table in tables
            if table.exists()
            for fields in map(str.split, table.read_text().splitlines()[1:])
            if f"socket:[{fields[9]}]" in files
        ]

    assert ports == []


def test_nothing_of_postgres_is_open_to_other_users(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    with EmbeddedPostgres(directory):
        # Whoever may pass through the directory meets a closed one next.
        is_open = [
            path.relative_to(directory)
            for path in [directory, *directory.iterdir()]
            if path.stat().st_mode & 0o007
        ]

    assert is_open == []


def test_the_log_of_postgres_stays_small_while_it_runs(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert server.data is not None
        log, old = (server.data / "postgres" / name for name in ("log", "log.old"))
        with log.open("ab") as file:
            file.write(b"much that it said\n" * 1_200_000 + b"the last of it\n")

        eventually(lambda: log.stat().st_size < LARGEST_LOG)
        with psycopg.connect(server.metadata_url) as conn, pytest.raises(DivisionByZero):
            conn.execute("SELECT 1 / 0")

        # What it says now stands at the beginning of the file, not behind a hole.
        assert log.read_bytes().partition(b" ")[0].startswith(b"2")
        assert b"division by zero" in log.read_bytes()
        assert old.read_bytes().endswith(b"the last of it\n")
        assert old.stat().st_size <= LARGEST_LOG
        assert old.stat().st_mode & 0o777 == 0o600
