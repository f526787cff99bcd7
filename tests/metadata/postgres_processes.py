"""Processes that use an embedded PostgreSQL, and questions to it."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from server.metadata.embedded import EmbeddedPostgres

PROJECT = Path(__file__).parents[2]
GIVE_UP_SECONDS = 30


@contextmanager
def another_user(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the PostgreSQL until it reads a line or is killed."""
    program = f"""
        import sys
        from pathlib import Path
        from server.metadata.embedded import EmbeddedPostgres
        with EmbeddedPostgres(Path({str(directory)!r})) as postgres:
            print("using", flush=True)
            sys.stdin.readline()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        with process.stdin, process.stdout:
            # A start that takes long says so first.
            assert "using\n" in iter(process.stdout.readline, ""), "it did not start"
            yield process
    finally:
        process.kill()
        process.wait()


def postmaster(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])


def ask(postgres: EmbeddedPostgres, question: str) -> Any:
    with psycopg.connect(postgres.url) as conn:
        row = conn.execute(question).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(attempt: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not (found := attempt()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found
