"""The processes of a running server, as the system sees them."""

import os
from pathlib import Path

from tests.fix_server import RunningServer


def workers_of(server: RunningServer) -> list[int]:
    """Return the process ids of the workers: what the manager has forked."""
    assert server.process is not None, "these tests look at the processes of a server of their own"
    return [child for child in children_of(server.process.pid) if b"serve" in _command(child)]


def children_of(process: int) -> list[int]:
    """Return the process ids of its children; none where it is gone."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(each) for each in text.split()]


def _command(process: int) -> bytes:
    """Return the command line; nothing of a process that is dead, or gone by now."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def open_files(processes: list[int]) -> int:
    """Return how many files and sockets these processes hold open together."""
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in processes)
