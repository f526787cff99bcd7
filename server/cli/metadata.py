"""One transaction of a command, and how commands print what they found."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import click
import orjson

from server import logs
from server.cli.data_directory import database_of
from server.config import Settings
from server.metadata.administration import administration
from server.metadata.connection import Connection

Result = TypeVar("Result")


def in_metadata(settings: Settings, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Return what the work returns, done in one transaction, which an exception rolls back.

    The embedded PostgreSQL is started for it where it does not run, and stopped after it.
    """
    begin_command()
    with database_of(settings) as url:
        return asyncio.run(_in_transaction(url, settings.database_timeout_seconds, work))


def begin_command() -> None:
    """Let a command that is ended stop the PostgreSQL that it started; its log is for people."""
    logs.configure("text", "info")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def say(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as a line of words."""
    if as_json:
        click.echo(orjson.dumps(values).decode())
    else:
        shown = {
            name.replace("_", " "): value for name, value in values.items() if value is not None
        }
        click.echo("  ".join(f"{name}: {value}" for name, value in shown.items()))


async def _in_transaction(
    url: str, seconds: float, work: Callable[[Connection], Awaitable[Result]]
) -> Result:
    async with administration(url, timeout_seconds=seconds) as conn:
        return await work(conn)
