"""The embedded PostgreSQL: a crash recovery that takes long, and what others can reach of it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import structlog

from server.metadata.embedded import EmbeddedPostgres
from tests.metadata.postgres_processes import another_user, ask, postmaster
from tests.overload.postgres_processes import files_of, signal_all_of

# The starter that comes with the programs gives up after ten seconds.
LONG_SECONDS = 11


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
