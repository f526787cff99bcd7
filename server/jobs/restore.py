"""Brings a snapshot back: blobs first, rows in one transaction after them, as every write does.

A restore that a crash cut short is gone on with: blobs that are there and whole stay, and the
database is either empty or complete.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from server.blobs.archive import Archive
from server.blobs.errors import ArchiveError, StorageError
from server.blobs.files import disk_errors
from server.blobs.layout import Layout, open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.jobs import pairing, unusable
from server.jobs.backup import Show
from server.jobs.blob_copies import THREADS, BlobCopies, Findings
from server.jobs.snapshot import (
    Description,
    RowsSeen,
    TableFile,
    blobs_of,
    check_files,
    pieces_of,
    read_description,
    rows_file,
)
from server.metadata import blob_directory, lost, snapshot
from server.metadata.connection import Connection
from server.metadata.errors import SchemaMismatch
from server.metadata.lost import Lost
from server.metadata.schema import SCHEMA_VERSION
from server.model.names import BlobDigest


class BlobsLacking(ArchiveError):
    """The snapshot was made without some of its blobs, and no later backup has copied them."""


class RestoreIncomplete(StorageError):
    """Blobs of the archive are missing or rotten; the database was left as it was."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(f"blobs of the backup that cannot be used: {findings.unusable_count}")
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Source:
    """A snapshot whose files were found to hold what the backup wrote."""

    archive: Archive
    directory: Path
    description: Description

    @classmethod
    def of(cls, archive: Archive, name: str | None, *, without_unusable: bool = False) -> "Source":
        """Return the snapshot of that name; None: the youngest.

        without_unusable: what it lacks is done without. Blocking. Raises ArchiveError.
        """
        finished = archive.finished()
        if not finished:
            raise ArchiveError(f"{archive.root} has no finished snapshot")
        if name is not None and name not in finished:
            raise ArchiveError(f"{archive.root} has no finished snapshot {name}")
        directory = archive.snapshot(name or finished[-1])
        description = read_description(directory)
        if description.schema != SCHEMA_VERSION:
            raise SchemaMismatch(
                f"{directory} has schema {description.schema}; this program needs"
                f" {SCHEMA_VERSION}. Restore it with the version of s3d that made it."
            )
        check_files(directory, description)
        unusable.check(directory, description.unusable)
        if not without_unusable:
            _refuse_what_lacks_blobs(archive, directory, description)
        return cls(archive, directory, description)


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore.

    blobs:            where the blob directory is to be; it may hold blobs of a restore cut short.
    without_unusable: do without blobs of which the archive has no whole copy. Their rows come back
        all the same: keys stay listed, and can be deleted or written anew.
    lost:             told in the end what lacks bytes then.
    timeout_seconds:  how long PostgreSQL may be silent.
    """

    source: Source
    database_url: str
    blobs: Path
    without_unusable: bool
    lost: Callable[[Lost], None]
    timeout_seconds: float
    show: Show

    async def refuse_other_rows(self, *, is_begun: bool) -> bool:
        """Return whether the database is empty; one that is not must hold the snapshot already.

        is_begun: this snapshot was being restored, and has perhaps come as far as that. Writes
        nothing. Raises SchemaMismatch, MetadataUnavailable.
        """
        seconds = self.timeout_seconds
        if await snapshot.is_empty(self.database_url, timeout_seconds=seconds):
            return True
        if not is_begun:
            raise SchemaMismatch("the database is not empty")
        async with snapshot.one_moment(self.database_url, timeout_seconds=seconds) as conn:
            await self._compare_rows(conn)
        return False

    async def run(self) -> Findings:
        """Copy everything, compare both sides, and return what had to be copied.

        Raises RestoreIncomplete, StorageError, MetadataError.
        """
        is_empty = await self.refuse_other_rows(is_begun=True)
        read_only = ReadOnlyFlag()
        layout = open_layout(self.blobs, read_only)
        with _nameless_file(layout.staging) as lacking:
            findings = await self._copy_blobs(layout, read_only, lacking)
            seconds = self.timeout_seconds
            if is_empty:
                async with snapshot.into_empty(self.database_url, timeout_seconds=seconds) as conn:
                    await self._copy_rows(conn)
                    await self._compare_rows(conn)
                    await blob_directory.give(conn)
            async with snapshot.one_moment(self.database_url, timeout_seconds=seconds) as conn:
                await pairing.name(conn, layout, read_only, may_replace=True)
            await snapshot.analyze(self.database_url, timeout_seconds=seconds)
            if findings.unusable_count:
                await self._name_lost(lacking)
        return findings

    async def _copy_blobs(
        self, layout: Layout, read_only: ReadOnlyFlag, lacking: IO[bytes]
    ) -> Findings:
        description = self.source.description
        columns = description.tables["blob"].columns

        def note(digest: BlobDigest) -> None:
            with disk_errors("list a blob"):
                lacking.write(unusable.line_of(digest))

        with (
            self.show("restoring blobs", description.blob_bytes) as advance,
            ThreadPoolExecutor(THREADS, thread_name_prefix="restore") as threads,
        ):
            copies = BlobCopies(
                source=self.source.archive.blobs,
                target=layout,
                read_only=read_only,
                threads=threads,
                # What is there was left by a restore cut short, which may not have read it back.
                read_data=True,
                before_batch=_nothing,
                advance=advance,
                unusable=note,
            )
            findings = await copies.copy(blobs_of(self.source.directory, columns))
        if findings.unusable_count and not self.without_unusable:
            raise RestoreIncomplete(findings)
        return findings

    async def _name_lost(self, lacking: IO[bytes]) -> None:
        lacking.seek(0)
        everything = lost.needing(
            self.database_url, unusable.blobs_in(lacking), timeout_seconds=self.timeout_seconds
        )
        async with aclosing(everything) as each_lost:
            async for each in each_lost:
                self.lost(each)

    async def _copy_rows(self, conn: Connection) -> None:
        description = self.source.description
        with self.show(
            "restoring rows", sum(t.size for t in description.tables.values())
        ) as advance:
            for table in snapshot.TABLES:
                columns = description.tables[table].columns
                await self._refuse_other_columns(conn, table, columns)
                pieces = pieces_of(rows_file(self.source.directory, table))
                await snapshot.copy_in(
                    conn, table, columns, pieces, advance, timeout_seconds=self.timeout_seconds
                )
        await snapshot.set_sequences(conn, description.sequences)
        await snapshot.require_new_numbers(conn)
        # Another number than any that a worker ever saw.
        await snapshot.set_revision(conn, description.settings_revision + 1)

    async def _refuse_other_columns(
        self, conn: Connection, table: str, columns: Sequence[str]
    ) -> None:
        found = await snapshot.columns_of(conn, table)
        if list(found) != list(columns):
            raise SchemaMismatch(f"{table} has the columns {found}, in the backup {columns}")

    async def _compare_rows(self, conn: Connection) -> None:
        """Raise SchemaMismatch unless the database gives back the rows of the snapshot."""
        for table, expected in self.source.description.tables.items():
            seen = RowsSeen()
            await snapshot.copy_out(
                conn, table, expected.columns, seen.add, timeout_seconds=self.timeout_seconds
            )
            if not _same_rows(seen.as_table(expected.columns), expected):
                raise SchemaMismatch(f"the database holds other rows in {table} than the backup")


def _same_rows(found: TableFile, expected: TableFile) -> bool:
    # In another order, perhaps.
    return (found.rows, found.rows_sum) == (expected.rows, expected.rows_sum)


@contextmanager
def _nameless_file(directory: Path) -> Iterator[IO[bytes]]:
    with disk_errors(f"make a file in {directory}"):
        file = TemporaryFile(dir=directory)  # noqa: SIM115 - closed below, after other errors
    with file:
        yield file


def _refuse_what_lacks_blobs(archive: Archive, directory: Path, said: Description) -> None:
    # A later backup may have found a whole copy.
    lacking = sum(
        not archive.blobs.blob(digest).exists() for digest in unusable.unusable_blobs(directory)
    )
    if lacking:
        at_least = "at least " if said.unusable.blobs > unusable.MOST_COUNTED else ""
        raise BlobsLacking(
            f"{directory} lacks {lacking} blobs: when it was made, {at_least}"
            f"{said.unusable.objects} objects needed one of {said.unusable.blobs} that were damaged"
        )


async def _nothing() -> None:
    pass
