"""A system that is short of processes: what has died cannot be replaced, and what lives goes on."""

import os
import signal
import urllib.request
from pathlib import Path

from tests.crash.processes import postmaster_of
from tests.crash.tracing import traced
from tests.fix_server import RunningServer, debian_program, running_server
from tests.metadata.postgres_processes import eventually
from tests.processes import workers_of

# vfork is left alone: the server gets as far as setsid, whose own fork then fails.
NO_FORK = ("-f", "-e", "trace=clone,clone3", "-e", "inject=clone,clone3:error=EAGAIN")


async def test_what_died_while_no_process_could_be_made_is_there_again_afterwards(
    tmp_path: Path,
) -> None:
    strace = debian_program("/usr/bin/strace", "strace")
    with running_server(tmp_path) as server:
        assert server.process is not None
        assert server.log is not None
        first_worker, second_worker = sorted(workers_of(server))
        async with traced(strace, server.process.pid, tmp_path / "trace", *NO_FORK):
            os.kill(postmaster_of(server), signal.SIGKILL)
            os.kill(first_worker, signal.SIGKILL)
            eventually(lambda: _has_said(server, "embedded PostgreSQL cannot be started"))
            eventually(lambda: _has_said(server, "a worker cannot be started"))
            assert workers_of(server) == [second_worker]

        eventually(lambda: len(workers_of(server)) == 2 and _is_ready(server))

        assert server.process.poll() is None
        assert second_worker in workers_of(server)


def _has_said(server: RunningServer, event: str) -> bool:
    assert server.log is not None
    return event in server.log.read_text()


def _is_ready(server: RunningServer) -> bool:
    try:
        with urllib.request.urlopen(f"{server.endpoint}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
