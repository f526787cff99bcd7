"""The embedded PostgreSQL: a private server that lives in the data directory.

Its users are processes: `s3d serve`, and every other command beside it. Locks of the kernel, which
end with the process that holds them, say who uses it and whether it runs:

    users.lock    shared: held by every user. Whoever leaves last stops PostgreSQL.
    start.lock    exclusive: held while somebody comes or goes.
    running.lock  shared: inherited by every process of PostgreSQL, so that it is free exactly when
                  the last of them is gone. A number in a file cannot say that: numbers come back.

A PostgreSQL that outlived its users, however they died, holds running.lock: it is adopted, never
doubled.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlencode

import structlog
from psycopg.pq import PGconn, Ping

from server.metadata.embedded_locks import lock_now, waiting
from server.metadata.embedded_log import PostgresLog
from server.metadata.embedded_programs import (
    ENVIRONMENT,
    EmbeddedPostgresError,
    Programs,
    is_postgres_in,
    programs_for,
    refuse_directory_of_another,
)
from server.metadata.embedded_settings import (
    DATABASE,
    PORT,
    ROLE,
    SOCKET_NAME,
    SUPERUSER,
    pg_hba_conf,
    pg_ident_conf,
    postgresql_conf,
)

_VERSION: Final = "18"
# sun_path holds 108 bytes, with the final NUL.
_LONGEST_SOCKET: Final = 107
# A PostgreSQL that dies at once is not started again in a loop.
_RESTART_SECONDS: Final = 5.0

# One statement a line: PostgreSQL's single-user mode knows no other end of a statement.
_FIRST_SQL: Final = f"""\
CREATE ROLE {ROLE} LOGIN
CREATE DATABASE {DATABASE} OWNER {ROLE}
"""

_log = structlog.get_logger()


class EmbeddedPostgres:
    """A context: inside it PostgreSQL accepts connections at `url`.

    directory: made where it is missing, its parent is not. max_connections: what this user needs.
    keeps_more: where this user starts PostgreSQL, it gets as many connections as the last time, if
        those were more. A server that comes while a command is at work finds what it had before.
    log: what PostgreSQL prints; shorten it now and then while it runs.
    Entering waits for as long as the recovery of a crash takes. Both ends block.
    """

    def __init__(
        self, directory: Path, *, max_connections: int = 100, keeps_more: bool = False
    ) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._max_connections = max_connections
        self._keeps_more = keeps_more
        self.log = PostgresLog(self._directory)
        self._users = -1
        self._next_restart = 0.0

    def __enter__(self) -> Self:
        self._make_directory()
        with self._coming_or_going():
            self._users = self._open_lock("users.lock")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._stop_one_that_is_too_small()
                self._start()
            except BaseException:
                self._leave()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._coming_or_going():
            self._leave()

    @property
    def url(self) -> str:
        """Return the URI of the database; it holds no password, since there is none."""
        where = {"host": str(self._socket_directory()), "port": str(PORT)}
        return f"postgresql://{ROLE}@/{DATABASE}?{urlencode(where, quote_via=quote)}"

    def restart_if_dead(self) -> None:
        """Start PostgreSQL again where it died under its users. Does not wait for it.

        For the process manager to call every second or so. Raises EmbeddedPostgresError or OSError
        where it cannot be started now; a call some seconds later tries again.
        """
        if time.monotonic() < self._next_restart or self._is_running():
            return
        start_lock = self._open_lock("start.lock")
        try:
            if not lock_now(start_lock) or self._is_running():
                return
            self._next_restart = time.monotonic() + _RESTART_SECONDS
            _log.error("embedded PostgreSQL died; starting it again", output=self.log.end())
            with self._running() as running:
                self._spawn(self._programs(), running)
        finally:
            os.close(start_lock)

    def _start(self) -> None:
        programs = self._programs()
        spawned = False
        for _ in waiting("embedded PostgreSQL is starting"):
            if not self._is_running():
                if spawned:
                    raise EmbeddedPostgresError(
                        f"PostgreSQL did not start. The end of {self.log.path}:\n" + self.log.end()
                    )
                with self._running() as running:
                    self._initialize(programs, running)
                    self._write_settings(programs)
                    self._spawn(programs, running)
                spawned = True
            elif PGconn.ping(self.url.encode()) == Ping.OK:
                return

    def _leave(self) -> None:
        """Stop PostgreSQL if nobody else uses it; the caller holds start.lock."""
        try:
            if lock_now(self._users):
                self._stop()
                self._remove_old_socket_directory(self._programs())
        finally:
            os.close(self._users)
            self._users = -1

    def _stop(self) -> None:
        asked = -1.0
        for _ in waiting("embedded PostgreSQL is stopping"):
            if not self._is_running():
                return
            # One that has only just been started may not have heard the first time.
            if time.monotonic() - asked > 1:
                asked = time.monotonic()
                with contextlib.suppress(EmbeddedPostgresError):
                    self._programs().run(
                        "pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-W"
                    )

    def _stop_one_that_is_too_small(self) -> None:
        if not self._is_running():
            return
        there = self._connections_before()
        if there >= self._max_connections:
            return
        if lock_now(self._users):
            self._stop()
        else:
            _log.warning(
                "embedded PostgreSQL, started by a command that is still at work, has too few"
                " connections; restart the server after it",
                max_connections=there,
                needed=self._max_connections,
            )
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def _connections_before(self) -> int:
        """Return the max_connections that PostgreSQL was last started with; 0: never."""
        found = re.search(r"(?m)^max_connections = (\d+)$", self._read("postgresql.conf"))
        return int(found[1]) if found else 0

    def _initialize(self, programs: Programs, running: int) -> None:
        """Make the data of a new server where there are none.

        It takes its name when it is complete: what a crash leaves unfinished is made anew.
        running: an initdb that outlives us counts as running, so that nobody interferes with it.
        """
        if self._data.exists():
            found = (self._data / "PG_VERSION").read_text().strip()
            if found != _VERSION:
                raise EmbeddedPostgresError(
                    f"{self._data} is of PostgreSQL {found}; this server brings {_VERSION}"
                )
            return
        unfinished = self._directory / "unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        self._make_for_postgres(unfinished, programs)
        programs.run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
            # Of use only to somebody who starts it by hand, without our settings.
            "--auth-local=peer",
            "--auth-host=reject",
            pass_fds=[running],
        )
        single_user = ["--single", "-D", str(unfinished), SUPERUSER]
        programs.run("postgres", *single_user, stdin=_FIRST_SQL, pass_fds=[running])
        unfinished.rename(self._data)
        _fsync(self._directory)

    def _write_settings(self, programs: Programs) -> None:
        users = [programs.user] + (["root"] if os.geteuid() == 0 else [])
        at_least = self._connections_before() if self._keeps_more else 0
        texts = {
            "postgresql.conf": postgresql_conf(
                self._directory,
                self._make_socket_directory(programs),
                max_connections=max(self._max_connections, at_least),
            ),
            "pg_hba.conf": pg_hba_conf(),
            "pg_ident.conf": pg_ident_conf(users),
        }
        for name, text in texts.items():
            self._write(name, text, programs.gid)

    def _spawn(self, programs: Programs, running: int) -> None:
        """Start PostgreSQL as nobody's child: it outlives whoever started it."""
        self._forget_stale_files()
        # Where there is no room for the copy it begins anew all the same.
        with contextlib.suppress(OSError):
            self.log.shorten()
        settings = f"config_file={self._directory / 'postgresql.conf'}"
        postgres = programs.command("postgres", "-D", str(self._data), "-c", settings)
        with self.log.opened() as output:
            # A session of its own: Ctrl-C on our terminal is not for PostgreSQL.
            done = subprocess.run(
                ["setsid", "--fork", *postgres],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=[running],
                check=False,
            )
        if done.returncode:
            raise EmbeddedPostgresError(f"setsid failed:\n{self.log.end()}")

    @contextlib.contextmanager
    def _running(self) -> Iterator[int]:
        """Hold running.lock, shared, for a program that inherits it."""
        lock = self._open_lock("running.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield lock
        finally:
            os.close(lock)

    def _is_running(self) -> bool:
        """Return whether any process of PostgreSQL is left, one that is stopping too."""
        lock = self._open_lock("running.lock")
        try:
            return not lock_now(lock)
        finally:
            os.close(lock)

    def _forget_stale_files(self) -> None:
        """Remove postmaster.pid unless its number is a living PostgreSQL in this very directory.

        Such a one was started by hand, and makes ours refuse to start, as it should. Any other
        program that now has the number, and a zombie, would make it refuse for no reason. A file
        beside the socket holds the number, too.
        """
        pid_file = self._data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            number = pid_file.read_text(errors="replace").partition("\n")[0]
            if number.isdecimal() and is_postgres_in(self._data, int(number)):
                return
        pid_file.unlink(missing_ok=True)
        for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (self._socket_directory() / name).unlink(missing_ok=True)

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o710, exist_ok=True)
        refuse_directory_of_another(self._directory)
        _fsync(self._directory.parent)

    def _make_for_postgres(self, path: Path, programs: Programs) -> None:
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, programs.uid, programs.gid)

    def _make_socket_directory(self, programs: Programs) -> Path:
        """Return the directory of the socket: it exists, and only PostgreSQL's user enters it.

        A path in a deep data directory is too long for a socket; a directory with a random name
        below /tmp takes its place, and a file remembers it.
        """
        here = self._directory / "socket"
        if _is_short(here):
            if not here.exists():
                self._make_for_postgres(here, programs)
            return here
        self._remove_old_socket_directory(programs)
        elsewhere = Path(tempfile.mkdtemp(prefix="s3d-", dir="/tmp"))
        if os.geteuid() == 0:
            os.chown(elsewhere, programs.uid, programs.gid)
        self._write("socket.path", str(elsewhere), programs.gid)
        return elsewhere

    def _remove_old_socket_directory(self, programs: Programs) -> None:
        old = self._read("socket.path")
        with contextlib.suppress(FileNotFoundError):
            if old and Path(old).lstat().st_uid == programs.uid:
                shutil.rmtree(old)

    def _socket_directory(self) -> Path:
        here = self._directory / "socket"
        return here if _is_short(here) else Path(self._read("socket.path") or here)

    def _programs(self) -> Programs:
        return programs_for(self._directory, self._data)

    def _read(self, name: str) -> str:
        try:
            return (self._directory / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _write(self, name: str, text: str, gid: int) -> None:
        new = self._directory / f"{name}.new"
        new.write_text(text)
        os.chown(new, -1, gid)
        new.chmod(0o640)
        new.replace(self._directory / name)

    def _open_lock(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._directory / name, flags, 0o600)

    @contextlib.contextmanager
    def _coming_or_going(self) -> Iterator[None]:
        lock = self._open_lock("start.lock")
        try:
            for _ in waiting("another process is starting or stopping the embedded PostgreSQL"):
                if lock_now(lock):
                    break
            yield
        finally:
            os.close(lock)


def _is_short(directory: Path) -> bool:
    return len(os.fsencode(directory / SOCKET_NAME)) <= _LONGEST_SOCKET


def _fsync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
