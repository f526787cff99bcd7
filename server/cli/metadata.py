"""What commands do with the metadata and the blobs, and how they print what they found."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import orjson

from server import logs
from server.blobs.layout import Layout, existing_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.cli.data_directory import database_of, refuse_missing
from server.cli.output import print_line
from server.cli.signals import end_on_signals, run
from server.config import Settings
from server.jobs import pairing
from server.metadata.administration import administration
from server.metadata.connection import Connection
from server.metadata.store import Metadata

Result = TypeVar("Result")

# A command does one thing after another.
_CONNECTIONS: Final = 2
_THREADS: Final = 2


def in_metadata(settings: Settings, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Return what the work returns, done in one transaction, which an exception rolls back.

    The embedded PostgreSQL is started for it where it does not run, and stopped after it.
    """
    begin_command()
    with database_of(settings) as url:
        return run(_in_transaction(url, settings.database_timeout_seconds, work))


def begin_command() -> None:
    """Let a command that is ended stop the PostgreSQL that it started; its log is for people."""
    logs.configure("text", "info")
    end_on_signals()


def in_stores(
    settings: Settings,
    work: Callable[[Metadata, BlobStore], Awaitable[Result]],
    *,
    takes_unsafe: bool = False,
) -> Result:
    """Return what the work returns, done with the metadata and the blobs of the data directory.

    Neither is made where it is missing, but the schema is brought up to date. PostgreSQL as above.
    takes_unsafe: work with one that may lose commits, too.
    Raises BlobLayoutError where they do not belong together.
    """
    begin_command()
    refuse_missing(settings.data)
    layout = existing_layout(settings.data / "blobs")
    with database_of(settings) as url:
        return run(_in_stores(url, settings, layout, work, takes_unsafe=takes_unsafe))


def say(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as a line of words."""
    if as_json:
        print_line(orjson.dumps(values).decode())
    else:
        shown = {
            name.replace("_", " "): value for name, value in values.items() if value is not None
        }
        print_line(printable("  ".join(f"{name}: {value}" for name, value in shown.items())))


def printable(text: str) -> str:
    """Return the text in a form in which no key or file name moves the cursor of a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


async def _in_stores(
    url: str,
    settings: Settings,
    layout: Layout,
    work: Callable[[Metadata, BlobStore], Awaitable[Result]],
    *,
    takes_unsafe: bool,
) -> Result:
    seconds = settings.database_timeout_seconds
    async with administration(
        url, timeout_seconds=seconds, may_create=False, takes_unsafe=takes_unsafe
    ) as conn:
        await pairing.refuse_another(conn, layout)
    blobs = BlobStore(
        layout, inline_limit=0, threads=_THREADS, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    with contextlib.closing(blobs):
        async with Metadata.opened(
            url, connections=_CONNECTIONS, timeout_seconds=seconds
        ) as metadata:
            return await work(metadata, blobs)


async def _in_transaction(
    url: str, seconds: float, work: Callable[[Connection], Awaitable[Result]]
) -> Result:
    async with administration(url, timeout_seconds=seconds, may_create=False) as conn:
        return await work(conn)
