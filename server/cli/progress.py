"""A progress bar on standard error, where that is a terminal, and nothing elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Final

import click

# More often is nothing that an eye can see, and costs more than what is shown.
_SHOWN_SECONDS: Final = 0.1


class Progress:
    """A context; inside it, calling it says what is done, how much of it, and how much there is."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._bar: Any = None  # click gives its type no public name
        self._what = ""
        self._next = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show it, unless something was shown a moment ago."""
        now = time.monotonic()
        if not self._is_shown or (what == self._what and now < self._next):
            return
        self._next = now + _SHOWN_SECONDS
        if what != self._what:
            self._end()
            self._what = what
            self._bar = click.progressbar(length=max(total, 1), label=what, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
