"""The data directory: made on the first start, and locked while a server uses it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click

from server.blobs.files import lock_now
from server.config import Settings
from server.metadata.embedded import EmbeddedPostgres

# A file that names the snapshot which is being restored; it goes when everything is there.
RESTORING: Final = "restoring"
# The workers of a server that was killed hold its lock until the kernel has ended them.
_WAIT_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.05
# Of one worker, beside its pool: those of its batches, the sweep, the scrub, the look whether
# PostgreSQL is there, and the fence.
_CONNECTIONS_BESIDE_THE_POOL: Final = 10
_CONNECTIONS_OF_COMMANDS: Final = 32


@contextmanager
def locked_data_directory(settings: Settings, *, for_restore: bool = False) -> Iterator[None]:
    """Make the directory where it is missing, and keep other servers out of it.

    With a database of their own several servers, on one machine or more, may share a directory;
    with the embedded one there is one server, and no other beside it. A restore is always alone.
    """
    data = settings.data
    refuse_file(data)
    if settings.database_url is None:
        refuse_file(data / "postgres")
    try:
        # Others may pass, root's PostgreSQL must; what lies inside is closed to them.
        data.mkdir(mode=0o711, exist_ok=True)
        lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.ClickException(f"{data}: {error.strerror}") from None
    try:
        is_shared = settings.database_url is not None and not for_restore
        how = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        if not _lock(lock, how):
            raise click.ClickException(
                f"another s3d serves {data} already, or a restore or sweep --now is at work there"
            )
        if not for_restore:
            refuse_half_restored(data)
        yield
    finally:
        os.close(lock)


@contextmanager
def unserved(settings: Settings) -> Iterator[bool]:
    """Yield whether no server, of any node, uses the data directory; if so, none can until the end.

    Never makes the directory.
    """
    refuse_missing(settings.data)
    try:
        lock = os.open(settings.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.ClickException(f"{settings.data}: {error.strerror}") from None
    try:
        yield lock_now(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """Return the PostgreSQL of the data directory for a server, not entered yet."""
    each = settings.database_connections + _CONNECTIONS_BESIDE_THE_POOL
    needed = settings.workers * each + _CONNECTIONS_OF_COMMANDS
    return EmbeddedPostgres(settings.data / "postgres", max_connections=needed)


@contextmanager
def database_of(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database, for a command beside a running server or without one."""
    refuse_half_restored(settings.data)
    if settings.database_url:
        yield settings.database_url
        return
    refuse_missing(settings.data)
    refuse_lost_database(settings)
    directory = settings.data / "postgres"
    postgres = EmbeddedPostgres(
        directory, max_connections=_CONNECTIONS_OF_COMMANDS, keeps_more=True
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(postgres)
        except OSError as error:
            raise click.ClickException(
                f"the PostgreSQL in {directory} cannot be used: {error.strerror or error}"
            ) from None
        yield postgres.url


def refuse_missing(data: Path) -> None:
    """Raise a message for a person where the data directory is not there."""
    refuse_file(data)
    if not data.is_dir():
        raise click.ClickException(f"there is no data directory {data}")


def refuse_file(path: Path) -> None:
    """Raise a message for a person where something else is in the place of a directory."""
    if path.exists() and not path.is_dir():
        raise click.ClickException(f"{path} is a file, not a directory")


def refuse_lost_database(settings: Settings) -> None:
    """Raise a message for a person where the data directory has no embedded database."""
    postgres = settings.data / "postgres"
    refuse_file(postgres)
    if not (postgres / "data").exists():
        raise click.ClickException(
            f"there is no database in {postgres}. Is a disk not mounted, or has the data a database"
            " of your own (S3D_DATABASE_URL)? s3d serve makes one for new data alone; a backup is"
            " brought back into another directory, and this one kept"
        )


def refuse_half_restored(data: Path) -> None:
    """Raise a message for a person where a restore into the directory has not come to its end."""
    if (data / RESTORING).exists():
        raise click.ClickException(
            f"a restore into {data} has not come to its end; run s3d restore again, and it goes on"
        )


def _lock(lock: int, how: int) -> bool:
    give_up = time.monotonic() + _WAIT_SECONDS
    while not lock_now(lock, how):
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_SECONDS)
    return True
