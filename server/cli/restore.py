"""s3d restore: a snapshot brought back, into an empty data directory and an empty database."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from server.blobs.archive import Archive, is_snapshot_name
from server.blobs.errors import DiskFull
from server.blobs.files import fsync_directories, write_file
from server.blobs.read_only import ReadOnlyFlag
from server.cli.backup import (
    INCOMPLETE,
    name_unusable,
    refuse_inside,
    say_unusable,
    show_progress,
    wait_option,
    waiting,
)
from server.cli.credentials import FILE_NAME
from server.cli.data_directory import (
    RESTORING,
    embedded_postgres,
    locked_data_directory,
    refuse_file,
)
from server.cli.metadata import begin_command, say
from server.cli.options import DATABASE, Directory, with_settings
from server.cli.signals import run
from server.config import Settings
from server.jobs.restore import BlobsLacking, Restore, RestoreIncomplete, Source
from server.jobs.snapshot import CREDENTIALS
from server.metadata.lost import Lost

# The lock is made before anything else, and a mounted file system has a directory of its own.
_EMPTY: Final = frozenset({"lock", f"{RESTORING}.new", "lost+found"})
_WITHOUT: Final = "--without-unusable restores all else"


@click.command()
@click.argument("source", type=Directory(exists=True))
@click.option(
    "--snapshot", metavar="TIME", help="Which one, as s3d backup --list says; else the last."
)
@click.option(
    "--without-unusable",
    is_flag=True,
    help="Restore all else where SOURCE has no whole copy of some blobs.",
)
@wait_option("How long to wait for a backup that removes snapshots from SOURCE.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(DATABASE)
def restore(
    settings: Settings,
    source: Path,
    snapshot: str | None,
    without_unusable: bool,
    wait_seconds: int,
    as_json: bool,
) -> None:
    """Bring a snapshot back from the directory SOURCE of s3d backup.

    The data directory must be empty or missing, and the database empty. A restore that was cut
    short goes on where it was; until it has come to its end, no server starts there.

    With --without-unusable, keys whose bytes are lost come back, too, and are named in the end,
    with status 3: they are listed, to read them is an error, s3d check names their blobs, and they
    can be deleted or written anew.
    """
    lost_objects = 0

    def name_lost(each: Lost) -> None:
        nonlocal lost_objects
        lost_objects += each.upload_id is None
        say(asdict(each), as_json=as_json)

    begin_command()
    refuse_inside(source, settings.data)
    refuse_inside(settings.data, source)
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.to_read(source, waiting(wait_seconds)))
        try:
            found = Source.of(archive, snapshot, without_unusable=without_unusable)
        except BlobsLacking as error:
            raise click.ClickException(f"{error}; {_WITHOUT}") from None
        is_begun = _refuse_other_data(settings.data, found.directory.name)
        if settings.database_url:
            work = _restore(settings, found, settings.database_url, without_unusable, name_lost)
            run(work.refuse_other_rows(is_begun=is_begun))
        stack.enter_context(locked_data_directory(settings, for_restore=True))
        # Nobody came between the look and the lock.
        _refuse_other_data(settings.data, found.directory.name)
        read_only = ReadOnlyFlag()
        write_file(settings.data / RESTORING, f"{found.directory.name}\n".encode(), read_only)
        url = settings.database_url
        if url is None:
            url = stack.enter_context(embedded_postgres(settings)).url
        work = _restore(settings, found, url, without_unusable, name_lost)
        try:
            findings = run(work.run())
        except RestoreIncomplete as error:
            say_unusable(error.findings, as_json=as_json)
            raise click.ClickException(f"{error}; nothing is in the database; {_WITHOUT}") from None
        except DiskFull as error:
            raise click.ClickException(
                f"{settings.data} is full; run it again, and it goes on where it stopped: {error}"
            ) from None
        _restore_credentials(found, settings.data, read_only)
        os.unlink(settings.data / RESTORING)
        fsync_directories([settings.data], read_only)
    say(
        {
            "snapshot": found.directory.name,
            "taken": found.description.taken,
            "objects": found.description.tables["object_version"].rows,
            "blobs": found.description.blobs,
            "blob_bytes": found.description.blob_bytes,
            "copied_blobs": findings.copied,
            "copied_bytes": findings.copied_bytes,
            "unusable_blobs": findings.unusable_count,
            "objects_without_bytes": lost_objects,
        },
        as_json=as_json,
    )
    if findings.unusable_count:
        name_unusable(findings)
        sys.exit(INCOMPLETE)


def _restore(
    settings: Settings,
    source: Source,
    url: str,
    without_unusable: bool,
    lost: Callable[[Lost], None],
) -> Restore:
    return Restore(
        source=source,
        database_url=url,
        blobs=settings.data / "blobs",
        without_unusable=without_unusable,
        lost=lost,
        timeout_seconds=settings.database_timeout_seconds,
        show=show_progress,
    )


def _refuse_other_data(data: Path, name: str) -> bool:
    """Return whether a restore of this snapshot was begun there; else the directory is empty."""
    refuse_file(data)
    if not data.exists():
        return False
    if (data / RESTORING).exists():
        begun = (data / RESTORING).read_bytes()[:100].decode("ascii", "replace").strip()
        if not is_snapshot_name(begun):
            raise click.ClickException(
                f"{data / RESTORING} names no snapshot; empty the directory and the database"
            )
        if begun != name:
            raise click.ClickException(
                f"a restore of {begun} into {data} was begun; go on with --snapshot {begun}, or"
                " empty the directory and the database"
            )
        return True
    others = sorted(set(os.listdir(data)) - _EMPTY)
    if others:
        raise click.ClickException(f"{data} is not empty: it holds {others[0]!r}")
    return False


def _restore_credentials(source: Source, data: Path, read_only: ReadOnlyFlag) -> None:
    if source.description.root_credentials is not None:
        write_file(data / FILE_NAME, (source.directory / CREDENTIALS).read_bytes(), read_only)
