"""Worker processes, with a small server in place of ours: see echo_server.py."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
GIVE_UP_SECONDS = 20


class EchoServer:
    """A running echo server. log: its standard error, a JSON object a line."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = eventually(self._port)

    def _port(self) -> int | None:
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.log.read_text())
        return int(found[1]) if found else None

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=GIVE_UP_SECONDS)

    def ask(self, command: bytes = b"pid\n") -> int:
        """Return which worker answers the command."""
        with self.connect() as connection:
            connection.sendall(command)
            return int(connection.recv(100))

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(number) for number in children.read_text().split()}


@contextlib.contextmanager
def echo_server(
    directory: Path, *, environment: dict[str, str] | None = None, **settings: Any
) -> Iterator[EchoServer]:
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.echo_server", json.dumps(settings)],
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stderr=output,
            # The tests may themselves run under nohup, which the server would respect.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
    try:
        yield EchoServer(process, log)
    finally:
        process.kill()
        process.wait()


def eventually(attempt: Callable[[], Any]) -> Any:
    """Return the first true value of the attempt; fail where there is none for too long."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not (found := attempt()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_workers_share_a_burst_of_connections(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=2) as server, ExitStack() as stack:
        eventually(lambda: len({server.ask() for _ in range(4)}) == 2)

        connections = [stack.enter_context(server.connect()) for _ in range(32)]
        for connection in connections:
            connection.sendall(b"pid\n")
        shares = Counter(int(connection.recv(100)) for connection in connections)

    # 16 on an idle machine; 0 in every third run without the counts.
    assert min(shares.values()) >= 8
    assert sum(shares.values()) == 32


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=2) as server:
        before = eventually(lambda: len(server.workers()) == 2 and server.workers())
        with server.connect() as connection:
            connection.sendall(b"pid\n")
            survivor = int(connection.recv(100))
            [victim] = before - {survivor}

            os.kill(victim, signal.SIGKILL)
            [successor] = eventually(lambda: server.workers() - before)

            assert eventually(lambda: server.ask() == successor)
            connection.sendall(b"pid\n")
            assert int(connection.recv(100)) == survivor


def test_a_worker_that_hangs_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=2, worker_timeout_seconds=2) as server:
        eventually(lambda: len(server.workers()) == 2)
        with server.connect() as connection:
            connection.sendall(b"pid\n")
            hanging = int(connection.recv(100))
            connection.sendall(b"hang\n")
            time.sleep(0.3)

            answered = {server.ask() for _ in range(10)}

            assert hanging not in answered
            eventually(lambda: len(server.workers() - {hanging}) == 2)
        # Where it hung stands in the log.
        assert "echo_server.py" in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_stop_lets_requests_in_flight_finish(
    tmp_path: Path, number: signal.Signals
) -> None:
    with echo_server(tmp_path, workers=2) as server, server.connect() as connection:
        worker = server.ask()
        connection.sendall(b"slow 1\n")
        time.sleep(0.3)

        server.process.send_signal(number)
        answered = int(connection.recv(100))

        assert server.process.wait(GIVE_UP_SECONDS) == 0
        assert is_gone(worker)
        assert is_gone(answered)


def test_a_request_that_outlasts_the_graceful_timeout_is_cut_off(tmp_path: Path) -> None:
    with (
        echo_server(tmp_path, workers=1, graceful_timeout_seconds=1) as server,
        server.connect() as connection,
    ):
        connection.sendall(b"slow 60\n")
        time.sleep(0.3)
        began = time.monotonic()

        server.process.terminate()

        assert server.process.wait(GIVE_UP_SECONDS) == 0
        assert 0.9 < time.monotonic() - began < 3
        assert connection.recv(100) == b""


def test_a_second_interrupt_does_not_wait_for_requests(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=2) as server, server.connect() as connection:
        connection.sendall(b"slow 60\n")
        time.sleep(0.3)
        began = time.monotonic()

        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        server.process.send_signal(signal.SIGINT)

        assert server.process.wait(GIVE_UP_SECONDS) == 0
        assert time.monotonic() - began < 5


def test_ctrl_c_reaches_the_workers_too_and_they_still_finish(tmp_path: Path) -> None:
    """A terminal sends SIGINT to every process of the foreground group."""
    with echo_server(tmp_path, workers=2) as server, server.connect() as connection:
        connection.sendall(b"slow 1\n")
        time.sleep(0.3)

        for pid in (*server.workers(), server.process.pid):
            os.kill(pid, signal.SIGINT)

        assert int(connection.recv(100)) > 0
        assert server.process.wait(GIVE_UP_SECONDS) == 0


def test_workers_die_with_their_manager_even_one_that_hangs(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=2) as server, server.connect() as connection:
        connection.sendall(b"hang\n")
        workers = eventually(lambda: len(server.workers()) == 2 and server.workers())

        server.process.kill()

        eventually(lambda: all(is_gone(worker) for worker in workers))
        assert refuses_connections(server.port)


def test_a_server_whose_first_worker_cannot_start_ends(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=2, shared="broken") as server:
        assert server.process.wait(GIVE_UP_SECONDS) == 1
        assert "this worker cannot start" in server.log.read_text()


def test_workers_serve_on_where_what_is_done_each_second_fails(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=1, fails_each_second=True) as server:
        worker = server.ask()

        eventually(lambda: server.log.read_text().count("nobody foresaw this") >= 2)

        assert server.ask() == worker


def test_gunicorn_reads_no_configuration_of_its_own(tmp_path: Path) -> None:
    environment = {"GUNICORN_CMD_ARGS": "--workers 5 --bind 127.0.0.1:1", "WEB_CONCURRENCY": "4"}
    with echo_server(tmp_path, workers=1, environment=environment) as server:
        server.ask()

        assert len(server.workers()) == 1


def test_what_the_manager_logs_is_structured(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=1) as server:
        worker = server.ask()
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: "SIGKILL" in server.log.read_text())

        lines = [json.loads(line) for line in server.log.read_text().splitlines()]

    assert [line["level"] for line in lines] == ["info", "error"]
    assert lines[1]["logger"] == "gunicorn"


def test_the_manager_stays_small(tmp_path: Path) -> None:
    with echo_server(tmp_path, workers=1) as server:
        server.ask()
        resident = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])

    assert resident * os.sysconf("SC_PAGE_SIZE") < 60 << 20
