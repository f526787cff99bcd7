"""The processes of an embedded PostgreSQL, as the system sees them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.metadata.postgres_processes import postmaster
from tests.processes import children_of


def all_of(directory: Path) -> list[int]:
    """Return the process ids of the PostgreSQL in that directory, the postmaster's first."""
    first = postmaster(directory)
    return [first, *children_of(first)]


@contextlib.contextmanager
def standing_still(directory: Path) -> Iterator[None]:
    """Within the block no process of the PostgreSQL runs."""
    stopped = signal_all_of(directory, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


def signal_all_of(directory: Path, number: signal.Signals) -> list[int]:
    """Send all of them the signal; return who got it: some end by themselves at any time."""
    reached = []
    for process in all_of(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
            reached.append(process)
    return reached


def files_of(directory: Path) -> set[str]:
    """Return what they hold open: paths, and ``socket:[inode]``."""
    found = set()
    for process in all_of(directory):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for fd in Path(f"/proc/{process}/fd").iterdir():
                found.add(os.readlink(fd))
    return found
