"""A command on a stopped server is told to end in the middle of its work."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from server.metadata.embedded import EmbeddedPostgres
from tests.cli.stopped import PROJECT, clean_environment, command_on, copied, with_database
from tests.commands import GIVE_UP_SECONDS
from tests.metadata.postgres_processes import eventually, is_running, postmaster

BROKEN_OFF = (
    "Looked at 0 buckets, 0 objects, 0 uploads in progress, 0 blobs of 0 bytes.\n"
    "The check broke off before its end. So far: Broken: 0 that must hold, 0 that should.\n"
)

_IS_STUCK = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
async def data(tmp_path: Path, template: Path) -> AsyncIterator[Path]:
    """A data directory in which whoever reads objects waits for a lock that nobody gives back."""
    data = tmp_path / "data"
    copied(template, data)
    postgres = EmbeddedPostgres(data / "postgres")
    (data / "postgres").mkdir(mode=0o710)
    local = data / "postgres" / "local.conf"
    local.write_text("max_prepared_transactions = 1\n")
    local.chmod(0o644)
    await with_database(data)
    with postgres, psycopg.connect(postgres.url) as conn:
        # A prepared transaction outlives its session, and PostgreSQL.
        conn.execute("LOCK TABLE object_version IN ACCESS EXCLUSIVE MODE")
        conn.execute("PREPARE TRANSACTION 'stuck'")
    yield data
    with postgres:
        pass


@contextmanager
def stuck(data: Path, *arguments: str, is_nohup: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A command that has come as far as the lock."""

    def preexec() -> None:
        # Whoever runs the tests may ignore them.
        for each in (signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        if is_nohup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with subprocess.Popen(
        command_on(data, *arguments),
        cwd=PROJECT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=preexec,
    ) as process:
        try:
            eventually(lambda: _is_stuck(data))
            yield process
        finally:
            process.kill()


def _is_stuck(data: Path) -> bool:
    try:
        with psycopg.connect(EmbeddedPostgres(data / "postgres").url) as conn:
            return conn.execute(_IS_STUCK).fetchone() is not None
    except psycopg.OperationalError:  # it is on its way
        return False


@pytest.mark.parametrize(
    ("command", "numbers"),
    [
        pytest.param("check", [signal.SIGTERM], id="check: SIGTERM"),
        pytest.param("check", [signal.SIGINT], id="check: Ctrl-C"),
        pytest.param("check", [signal.SIGHUP], id="check: the terminal is closed"),
        # As timeout(1) does, and shells with their terminals.
        pytest.param("check", [signal.SIGTERM] * 2, id="check: SIGTERM twice"),
        pytest.param("check", [signal.SIGHUP] * 2, id="check: SIGHUP twice"),
        pytest.param("backup", [signal.SIGTERM], id="backup: SIGTERM"),
        pytest.param("backup", [signal.SIGHUP], id="backup: the terminal is closed"),
    ],
)
def test_a_command_that_is_told_to_end_stops_postgres_and_complains_of_nothing(
    data: Path, command: str, numbers: Sequence[signal.Signals]
) -> None:
    where = [str(data.parent / "backup")] if command == "backup" else []
    with stuck(data, command, *where) as process:
        pid = postmaster(data / "postgres")
        for number in numbers:
            process.send_signal(number)

        said = process.communicate(timeout=GIVE_UP_SECONDS)

    # What a check has found so far is worth its time.
    out = BROKEN_OFF if command == "check" else ""
    assert (process.returncode, *said) == (128 + numbers[0], out, "")
    assert not is_running(pid)


# As the script that pip makes starts it, and with a signal at the first import that takes a while.
EARLY = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

class Ends:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Ends())
from server.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_while_it_is_loaded_complains_of_nothing(
    number: signal.Signals,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY.format(number=int(number)), "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


def test_a_command_under_nohup_outlives_its_terminal(data: Path) -> None:
    with stuck(data, "check", is_nohup=True) as process:
        process.send_signal(signal.SIGHUP)
        with psycopg.connect(EmbeddedPostgres(data / "postgres").url, autocommit=True) as conn:
            conn.execute("ROLLBACK PREPARED 'stuck'")

        output, _ = process.communicate(timeout=GIVE_UP_SECONDS)

    assert process.returncode == 0, output
    assert "Everything holds." in output
