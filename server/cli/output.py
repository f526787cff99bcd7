"""Standard output, and what is said where it takes nothing."""

import errno
import os
import sys

import click


class OutputLost(click.ClickException):
    """Standard output does not take what a command has to say; the message says why."""


def print_line(text: str) -> None:
    """Print a line on standard output. Raises OutputLost, e.g. where a disk is full."""
    try:
        click.echo(text)
    except OSError as error:
        # Else Python tries again at the end, and complains of it in its own words.
        _forget_what_is_left()
        # Who reads it has read enough, as head(1) has: click ends the command without a word.
        if error.errno == errno.EPIPE:
            raise
        raise OutputLost(f"cannot write to standard output: {error.strerror}") from None


def _forget_what_is_left() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
