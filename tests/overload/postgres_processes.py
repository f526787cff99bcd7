"""The processes of an embedded PostgreSQL, as the system sees them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.metadata.postgres_processes import postmaster


def all_of(directory: Path) -> list[int]:
    """Return the process ids of the PostgreSQL in that directory, the postmaster's first."""
    first = postmaster(directory)
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


@contextlib.contextmanager
def standing_still(directory: Path) -> Iterator[None]:
    """Within the block no process of the PostgreSQL runs."""
    stopped = all_of(directory)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)
