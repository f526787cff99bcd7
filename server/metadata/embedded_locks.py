"""Locks of the kernel on files, and waiting for them."""

import fcntl
import time
from collections.abc import Iterator
from typing import Final

import structlog

_POLL_SECONDS: Final = 0.05
_REPORT_SECONDS: Final = 5.0

_log = structlog.get_logger()


def waiting(what: str) -> Iterator[None]:
    """Yield at once and then at short intervals, with a line in the log every few seconds."""
    started = reported = time.monotonic()
    while True:
        yield
        time.sleep(_POLL_SECONDS)
        if time.monotonic() - reported > _REPORT_SECONDS:
            reported = time.monotonic()
            _log.info(what, seconds=round(reported - started))


def lock_now(lock: int) -> bool:
    """Return whether nobody else held the lock; it is then ours, exclusively."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
