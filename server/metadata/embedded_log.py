"""What the embedded PostgreSQL prints: a file of bounded size, and the one before it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_LARGEST_BYTES: Final = 16 << 20
_END_LINES: Final = 20


class PostgresLog:
    """The file `log` in the directory; `log.old` has what was in it before."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "log"
        self._old = directory / "log.old"

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Yield a descriptor that appends, for PostgreSQL to inherit."""
        log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def end(self) -> str:
        """Return the last lines; none where there is no log."""
        with suppress(FileNotFoundError):
            return "\n".join(self.path.read_text(errors="replace").splitlines()[-_END_LINES:])
        return ""

    def shorten(self) -> None:
        """Let a log that is too large begin anew, also while PostgreSQL writes to it.

        PostgreSQL would go on writing to a file that is renamed. It appends: an empty one it fills
        from its beginning. What it says between the copy and the cut is lost.
        Raises OSError where there can be no copy; the log begins anew all the same.
        """
        with suppress(FileNotFoundError):
            size = self.path.stat().st_size
            if size <= _LARGEST_BYTES:
                return
            log = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                self._keep(log, size)
            finally:
                os.ftruncate(log, 0)
                os.close(log)

    def _keep(self, log: int, size: int) -> None:
        self._old.unlink(missing_ok=True)
        old = os.open(self._old, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.sendfile(old, log, size - _LARGEST_BYTES, _LARGEST_BYTES)
        finally:
            os.close(old)
