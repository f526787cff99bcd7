"""How many connections the embedded PostgreSQL has, whoever has started it."""

import os
from pathlib import Path

import psycopg

from server.cli.data_directory import database_of
from server.config import Settings
from tests.commands import run
from tests.fix_server import running_server


def test_a_server_beside_a_command_that_started_postgres_has_its_connections(
    tmp_path: Path,
) -> None:
    """More workers than cores, and a check that is still at work when the server comes back."""
    workers = len(os.sched_getaffinity(0)) + 2
    with running_server(tmp_path, workers=workers) as server:
        assert server.data is not None
        needed = _max_connections(server.metadata_url)

    with database_of(Settings(data=server.data)) as url:
        with running_server(tmp_path, workers=workers):
            pass

        assert _max_connections(url) == needed
    assert "too few connections" not in (tmp_path / "server.log").read_text()


def test_a_command_beside_a_server_with_one_worker_has_no_complaint(tmp_path: Path) -> None:
    with running_server(tmp_path, workers=1) as server:
        assert server.data is not None
        done = run("account", "list", "--data", server.data)

    assert (done.returncode, done.stderr) == (0, "")


def _max_connections(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SHOW max_connections").fetchone()
    assert row is not None
    return int(row[0])
