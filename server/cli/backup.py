"""s3d backup: one moment of everything, copied while servers serve."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from server.blobs.archive import Archive, Wait
from server.blobs.errors import ArchiveBusy, ArchiveError, DiskFull
from server.blobs.layout import existing_layout
from server.cli.credentials import FILE_NAME
from server.cli.data_directory import database_of, refuse_missing
from server.cli.metadata import begin_command, say
from server.cli.options import DATABASE, Command, Directory, Parsed, with_settings
from server.cli.signals import run
from server.config import Settings
from server.config_values import integer
from server.jobs.backup import Backup, CopiesLost, Done
from server.jobs.blob_copies import Findings
from server.jobs.retention import keep_last
from server.jobs.snapshot import Description, read_description
from server.jobs.unusable import UNUSABLE
from server.metadata.errors import JobBusy

# The exit status where the work was done, but for blobs that are missing or rotten.
INCOMPLETE: Final = 3
_WAIT_SECONDS: Final = 600
# A week. PostgreSQL counts its limits in milliseconds, in 31 bits.
_LONGEST_WAIT_SECONDS: Final = 7 * 24 * 3600
_MOST_SNAPSHOTS: Final = 1_000_000


def wait_option(text: str) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the option --wait-seconds. text: its help."""
    return click.option(
        "--wait-seconds",
        type=Parsed("SECONDS", integer(0, _LONGEST_WAIT_SECONDS)),
        default=str(_WAIT_SECONDS),
        show_default=True,
        help=text,
    )


def waiting(seconds: float) -> Wait:
    """Return the wait for others that use an archive, of which standard error tells."""
    return Wait(seconds, lambda who: click.echo(f"Waiting for {who} to end.", err=True))


@click.command()
@click.argument("dest", type=Directory())
@click.option(
    "--list", "only_list", is_flag=True, help="List the snapshots of DEST, and do nothing."
)
@click.option("--read-data", is_flag=True, help="Read every blob in DEST, not only the new ones.")
@click.option(
    "--keep",
    type=Parsed("N", integer(1, _MOST_SNAPSHOTS)),
    metavar="N",
    help="Keep the last N snapshots, and remove older ones at the end.",
)
@wait_option(
    "How long to wait for each: another backup to DEST, a sweep, and restores, for --keep."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(DATABASE)
def backup(
    settings: Settings,
    dest: Path,
    only_list: bool,
    read_data: bool,
    keep: int | None,
    wait_seconds: int,
    as_json: bool,
) -> None:
    """Copy one moment of metadata and blobs to the directory DEST, beside a running server.

    Blobs that DEST has from earlier backups are not copied again. DEST holds secrets: only its
    owner can read it. s3d restore brings a snapshot back.

    The status is 3 where blobs of the server are missing or rotten, or DEST does not give back what
    was written to it: the snapshot is made without them, and lists them. Where it is 1 there is no
    new snapshot, or older ones could not be removed.
    """
    if only_list:
        if keep or read_data:
            raise click.UsageError("--list changes nothing, and takes no --keep and no --read-data")
        _list(Archive.to_list(dest), as_json=as_json)
        return
    begin_command()
    refuse_inside(dest, settings.data)
    refuse_missing(settings.data)
    blobs = existing_layout(settings.data / "blobs")
    wait = waiting(wait_seconds)
    with Archive.to_write(dest, wait) as archive, database_of(settings) as url:
        work = Backup(
            database_url=url,
            blobs=blobs,
            credentials=settings.data / FILE_NAME,
            archive=archive,
            read_data=read_data,
            wait_seconds=wait_seconds,
            timeout_seconds=settings.database_timeout_seconds,
            on_wait=lambda: wait.begins("a sweep or another backup"),
            show=show_progress,
        )
        try:
            done = run(work.run())
        except CopiesLost as error:
            say_unusable(error.findings, as_json=as_json)
            raise click.ClickException(f"{error}; there is no new snapshot") from None
        except JobBusy:
            raise click.ClickException(
                "a sweep or another backup is at work, and did not end within"
                f" {wait_seconds} seconds"
            ) from None
        except DiskFull as error:
            raise click.ClickException(
                f"{dest} is full; there is no new snapshot: {error}"
            ) from None
        # The snapshot is there, whatever becomes of the older ones.
        removed: tuple[int | None, int | None] = (None, None)
        try:
            removed = keep_last(archive, keep, wait) if keep else (0, 0)
        except ArchiveBusy as busy:
            click.echo(f"Older snapshots stay for now: {busy}.", err=True)
        finally:
            files = {"unusable": done.findings.unusable} if as_json else {}
            shown = _shown(done.name, done.description)
            say({**shown, **_changed(done, removed), **files}, as_json=as_json)
            name_unusable(done.findings)
    if done.findings.unusable_count:
        click.echo(
            f"Incomplete: the snapshot lacks these {done.findings.unusable_count} blobs;"
            f" {archive.snapshot(done.name) / UNUSABLE} lists them.",
            err=True,
        )
        sys.exit(INCOMPLETE)


def _list(archive: Archive, *, as_json: bool) -> None:
    """Print every snapshot; those that make no sense are named at their places, and make it 1."""
    status = 0
    names = archive.finished()
    if not names:
        click.echo(f"There are no finished snapshots in {archive.root}.", err=True)
    for name in names:
        try:
            say(_shown(name, read_description(archive.snapshot(name))), as_json=as_json)
        except ArchiveError as error:
            # A backup may have removed it meanwhile.
            if name in archive.finished():
                click.echo(f"Error: {error}", err=True)
                status = 1
    sys.exit(status)


def refuse_inside(inner: Path, outer: Path) -> None:
    """Raise a message for a person where one directory lies in the other."""
    if inner.resolve().is_relative_to(outer.resolve()):
        raise click.ClickException(f"{inner} lies in {outer}: the two must be apart")


def say_unusable(findings: Findings, *, as_json: bool) -> None:
    """Name the blobs that are missing or rotten."""
    if as_json:
        say({"snapshot": None, "unusable": findings.unusable}, as_json=True)
    name_unusable(findings)


def name_unusable(findings: Findings) -> None:
    """Name the files that are missing or rotten, on standard error."""
    for line in findings.unusable:
        click.echo(line, err=True)


@contextmanager
def show_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield what to call with the bytes of each step; a bar where standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label=what, file=sys.stderr) as bar:
        yield bar.update


def _shown(name: str, description: Description) -> dict[str, Any]:
    return {
        "snapshot": name,
        "taken": description.taken,
        "objects": description.tables["object_version"].rows,
        "blobs": description.blobs,
        "blob_bytes": description.blob_bytes,
        "unusable_blobs": description.unusable.blobs,
        "objects_without_bytes": description.unusable.objects,
    }


def _changed(done: Done, removed: tuple[int | None, int | None]) -> dict[str, Any]:
    return {
        "copied_blobs": done.findings.copied,
        "copied_bytes": done.findings.copied_bytes,
        "removed_snapshots": removed[0],
        "removed_blobs": removed[1],
    }
