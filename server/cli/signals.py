"""Signals that end a command: it undoes what it has begun, stops PostgreSQL and says nothing."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

_TO_END: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Ending:
    """Handler of these signals. number: the first one that came, 0 before."""

    def __init__(self) -> None:
        self.number = 0
        self.is_in_loop = False
        self._task: asyncio.Task[Any] | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        # A terminal that closes, and timeout(1), say it more than once; a person means it.
        if self.number and number != signal.SIGINT:
            return
        self.number = self.number or number
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        elif not self.is_in_loop:
            sys.exit(128 + self.number)

    async def watch(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what the work returns; a signal cancels it."""
        self._task = asyncio.current_task()
        try:
            if self.number and self._task:
                self._task.cancel()
            return await work
        finally:
            self._task = None


_ending: Final = _Ending()


def end_on_signals() -> None:
    """Let SIGTERM, SIGINT and SIGHUP raise SystemExit, with the status 128 and their number.

    One that is ignored, as SIGHUP is by nohup, stays so.
    """
    for each in _TO_END:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _ending)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what the work returns, in an event loop of its own; SystemExit after a signal.

    An exception in the middle of a loop is the end of whatever ran there, with a traceback; so a
    signal cancels the work, and the loop comes to its end.
    """
    _ending.is_in_loop = True
    try:
        return asyncio.run(_ending.watch(work))
    finally:
        _ending.is_in_loop = False
        if _ending.number:
            sys.exit(128 + _ending.number)
