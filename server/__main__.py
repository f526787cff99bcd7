"""The command s3d; also python -m server."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run a command. A signal ends it without a word, from its first moment on."""
    # Until the command has something to undo, and sees to them itself: server.cli.signals.
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _end)
    # Not at the top: it takes half a second, in which Ctrl-C would print a traceback.
    from server.cli.commands import run_command

    run_command()


def _end(number: int, _: FrameType | None) -> None:
    # Not sys.exit: an exception may come up in the middle of anything, and be printed there.
    os._exit(128 + number)


if __name__ == "__main__":
    main()
