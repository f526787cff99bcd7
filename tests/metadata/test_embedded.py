"""The embedded PostgreSQL with real processes, started, shared, killed and started again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from server.metadata.embedded import EmbeddedPostgres
from server.metadata.embedded_programs import EmbeddedPostgresError
from server.metadata.embedded_settings import SUPERUSER
from tests.metadata.postgres_processes import (
    PROJECT,
    another_user,
    ask,
    eventually,
    is_running,
    postmaster,
)


def test_postgres_runs_inside_the_context_and_only_there(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        pid = postmaster(directory)

    assert not is_running(pid)
    assert not (directory / "data" / "postmaster.pid").exists()


def test_postgres_is_as_durable_as_it_can_be(directory: Path) -> None:
    names = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]
    with EmbeddedPostgres(directory) as postgres:
        found = {name: ask(postgres, f"SHOW {name}") for name in [*names, "data_sync_retry"]}

    assert found == {**dict.fromkeys(names, "on"), "data_sync_retry": "off"}


def test_text_is_utf8_and_sorts_by_its_bytes(directory: Path) -> None:
    question = """
        SELECT encoding = pg_char_to_encoding('UTF8')
               AND datlocprovider = 'b' AND datlocale = 'C.UTF-8'
          FROM pg_database WHERE datname = current_database()
    """
    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, question)


def test_the_role_of_the_server_is_no_superuser(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SHOW is_superuser") == "off"


def test_postgres_listens_on_no_port(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SHOW listen_addresses") == ""


def test_data_survive_a_restart(directory: Path) -> None:
    with (
        EmbeddedPostgres(directory) as postgres,
        psycopg.connect(postgres.url, autocommit=True) as conn,
    ):
        conn.execute("CREATE SCHEMA mine CREATE TABLE kept (x int)")

    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT count(*) FROM mine.kept") == 0


def test_data_survive_a_crash_of_everything(directory: Path) -> None:
    with another_user(directory) as user:
        with psycopg.connect(EmbeddedPostgres(directory).url, autocommit=True) as conn:
            conn.execute("CREATE SCHEMA mine CREATE TABLE kept (x int)")
            conn.execute("INSERT INTO mine.kept VALUES (7)")
        pid = postmaster(directory)
        user.kill()
        os.kill(pid, signal.SIGKILL)
        user.wait()

    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT x FROM mine.kept") == 7
        assert postmaster(directory) != pid


def test_a_postgres_that_outlived_its_user_is_adopted(directory: Path) -> None:
    with another_user(directory) as user:
        pid = postmaster(directory)
        user.kill()
        user.wait()
    assert is_running(pid)

    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        assert postmaster(directory) == pid

    assert not is_running(pid)


def test_the_last_of_several_users_stops_postgres(directory: Path) -> None:
    with another_user(directory) as user:
        with EmbeddedPostgres(directory):
            pid = postmaster(directory)
        assert is_running(pid)
        user.communicate("leave\n")

    assert not is_running(pid)


def test_the_first_user_may_leave_first(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        with another_user(directory) as user:
            user.communicate("leave\n")

        assert ask(postgres, "SELECT 1") == 1


def test_users_that_come_at_once_share_one_postgres(directory: Path) -> None:
    command = [sys.executable, "-m", "tests.metadata.comes_and_goes", str(directory)]
    users = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]

    said = [user.communicate()[0] for user in users]

    # The lines before it are of the log: that they waited for one another for long.
    assert [each.splitlines()[-1] for each in said] == ["1"] * 4
    assert not (directory / "data" / "postmaster.pid").exists()


def test_postgres_that_dies_under_its_users_is_started_again(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        pid = postmaster(directory)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid))

        def answers() -> bool:
            postgres.restart_if_dead()
            try:
                return ask(postgres, "SELECT 1") == 1
            except psycopg.OperationalError:
                return False

        eventually(answers)

        assert postmaster(directory) != pid


def test_a_start_that_was_cut_short_is_made_anew(directory: Path) -> None:
    (directory / "unfinished" / "base").mkdir(parents=True)
    (directory / "unfinished" / "base" / "half").write_text("written")

    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT 1") == 1

    assert not (directory / "unfinished").exists()


@pytest.mark.parametrize(
    "name", [pytest.param("sleep", id="plain"), pytest.param("sl\udcffep", id="not UTF-8")]
)
def test_a_stale_pid_file_of_another_program_is_no_obstacle(
    directory: Path, tmp_path: Path, name: str
) -> None:
    """After a restart of the machine the number belongs to whatever program came next."""
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    with EmbeddedPostgres(directory):
        pass
    with subprocess.Popen([program, "60"]) as another:
        stale = f"{another.pid}\n{directory}/data\n1700000000\n5432\n/nowhere\n\n  1 1\n"
        (directory / "data" / "postmaster.pid").write_text(stale)

        with EmbeddedPostgres(directory) as postgres:
            answer = ask(postgres, "SELECT 1")
        another.kill()

    assert answer == 1


def test_a_start_that_fails_shows_the_end_of_the_log(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        pass
    (directory / "data" / "global" / "pg_control").write_bytes(b"")

    with pytest.raises(EmbeddedPostgresError, match="pg_control"), EmbeddedPostgres(directory):
        pass

    # Nothing is left to clean up, and nothing to start.
    (directory / "data" / "PG_VERSION").write_text("18\n")
    (directory / "data").rename(directory / "broken")


def test_a_long_log_begins_anew_with_postgres(directory: Path) -> None:
    directory.mkdir(mode=0o710)
    (directory / "log").write_bytes(b"of old times\n" * 2_000_000)

    with EmbeddedPostgres(directory):
        assert b"of old times" not in (directory / "log").read_bytes()
    assert (directory / "log.old").read_bytes().endswith(b"of old times\n")


def test_data_of_another_postgresql_are_refused(directory: Path) -> None:
    (directory / "data").mkdir(parents=True)
    (directory / "data" / "PG_VERSION").write_text("17\n")

    with (
        pytest.raises(EmbeddedPostgresError, match="is of PostgreSQL 17"),
        EmbeddedPostgres(directory),
    ):
        pass

    (directory / "data").rename(directory / "other")


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    directory = tmp_path / ("long " * 20) / "po'st,gres"
    directory.parent.mkdir()

    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        with another_user(directory):
            socket_directory = Path((directory / "socket.path").read_text())
            assert socket_directory.stat().st_mode & 0o777 == 0o700
    assert not socket_directory.exists()
    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SELECT 1") == 1


def test_a_user_that_needs_more_connections_gets_them(directory: Path) -> None:
    with another_user(directory) as user:
        user.kill()
        user.wait()

    with EmbeddedPostgres(directory, max_connections=234) as postgres:
        assert ask(postgres, "SHOW max_connections") == "234"


def test_a_command_starts_it_with_the_connections_that_the_server_had(directory: Path) -> None:
    """A server that is started again beside a long check keeps what the check has started."""
    with EmbeddedPostgres(directory, max_connections=234):
        pass

    with (
        EmbeddedPostgres(directory, max_connections=32, keeps_more=True),
        EmbeddedPostgres(directory, max_connections=234) as postgres,
    ):
        assert ask(postgres, "SHOW max_connections") == "234"


def test_a_server_with_fewer_workers_than_before_takes_fewer_connections(directory: Path) -> None:
    with EmbeddedPostgres(directory, max_connections=234):
        pass

    with EmbeddedPostgres(directory, max_connections=123) as postgres:
        assert ask(postgres, "SHOW max_connections") == "123"


def test_settings_of_the_operator_win(directory: Path) -> None:
    directory.mkdir()
    (directory / "local.conf").write_text("work_mem = '7MB'\n")
    (directory / "local.conf").chmod(0o644)

    with EmbeddedPostgres(directory) as postgres:
        assert ask(postgres, "SHOW work_mem") == "7MB"


def test_a_program_of_postgres_sees_no_secret_of_ours(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3D_ROOT_SECRET_KEY", "very-secret-indeed")

    with EmbeddedPostgres(directory):
        process = Path(f"/proc/{postmaster(directory)}")
        seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()

    assert b"very-secret-indeed" not in seen
    assert b"S3D_" not in seen


def test_the_superuser_is_there_for_repairs(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        url = postgres.url.replace("//s3d@", f"//{SUPERUSER}@")
        with psycopg.connect(url) as conn:
            assert conn.execute("SHOW is_superuser").fetchone() == ("on",)
