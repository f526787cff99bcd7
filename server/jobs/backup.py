"""Copies one moment of metadata and blobs into an archive, while servers serve.

The lock of the sweep is held from before the moment until the end, so no blob that the moment
names is taken away meanwhile; and were one taken all the same, the check at the end would miss it.
A snapshot gets its name only when everything that it names is in the archive, durably, but for
blobs of which there was no whole copy to be had: those it lists, and nothing takes it for whole.
"""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from server.blobs.archive import Archive
from server.blobs.errors import ArchiveError, StorageError
from server.blobs.files import disk_errors
from server.blobs.layout import Layout
from server.jobs import pairing, unusable
from server.jobs.blob_copies import THREADS, BlobCopies, Findings
from server.jobs.snapshot import (
    CREDENTIALS,
    DESCRIPTION,
    FORMAT,
    Description,
    RowsSeen,
    TableFile,
    Unusable,
    blobs_of,
    check_files,
    rows_file,
)
from server.jobs.sweep import SWEEP
from server.metadata import settings_revision, snapshot
from server.metadata.connection import Connection
from server.metadata.job_locks import HeldLock
from server.metadata.schema import SCHEMA_VERSION

_CLOCK_SECONDS: Final = 0.05

# Called with what is about to be done and how many bytes that is; yields what to call with the
# bytes of each step.
Show = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class CopiesLost(StorageError):
    """Copies that were whole a moment ago are gone from the archive, so there is no snapshot."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(f"copies that have gone meanwhile: {findings.unusable_count}")
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Done:
    """A finished backup: its name, what it holds or lacks, and what had to be copied for it."""

    name: str
    description: Description
    findings: Findings


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    blobs:           the blob directory of the servers.
    credentials:     the file that keeps those of the root account; it need not be there.
    read_data:       read every blob that the archive has, not only those that are copied now.
    wait_seconds:    how long to wait for a sweep or another backup; on_wait is called first.
    timeout_seconds: how long PostgreSQL may be silent.
    """

    database_url: str
    blobs: Layout
    credentials: Path
    archive: Archive
    read_data: bool
    wait_seconds: float
    timeout_seconds: float
    on_wait: Callable[[], None]
    show: Show

    async def run(self) -> Done:
        """Make a snapshot, and return it once it is finished.

        Blobs that are missing or rotten are in its findings, and in its description.
        Raises CopiesLost, StorageError, MetadataError; there is no new snapshot then.
        """
        async with HeldLock.waited_for(
            self.database_url,
            SWEEP,
            wait_seconds=self.wait_seconds,
            on_wait=self.on_wait,
            timeout_seconds=self.timeout_seconds,
        ) as lock:
            name = await self._new_name()
            directory = self.archive.begin(name)
            try:
                description = await self._copy_rows(directory)
                findings = await self._copy_blobs(directory, description, lock)
                lacking = unusable.describe(directory, description.tables)
                description = replace(description, unusable=lacking)
                check_files(directory, description)
                unusable.check(directory, description.unusable)
                await lock.check()
                with self.archive.new_file(directory / DESCRIPTION) as file:
                    file.write(description.to_json())
                self.archive.finish(directory)
            except BaseException:
                self.archive.give_up(directory)
                raise
        return Done(name, description, findings)

    async def _new_name(self) -> str:
        while True:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            last = max(self.archive.finished(), default="")
            if last < name:
                return name
            if last > name:
                # By its name the new one would be the older: --keep would remove it.
                raise ArchiveError(
                    f"{self.archive.snapshot(last)} is of the future: set the clock, or move that"
                    " snapshot to another place"
                )
            await asyncio.sleep(_CLOCK_SECONDS)

    async def _copy_rows(self, directory: Path) -> Description:
        seconds = self.timeout_seconds
        async with snapshot.one_moment(self.database_url, timeout_seconds=seconds) as conn:
            await pairing.refuse_another(conn, self.blobs)
            taken = datetime.now(UTC)
            revision = await settings_revision.read(conn)
            tables = {}
            for table in snapshot.TABLES:
                tables[table] = await self._copy_table(conn, table, rows_file(directory, table))
            sequences = await snapshot.sequences(conn)
        return Description(
            format=FORMAT,
            schema=SCHEMA_VERSION,
            taken=taken.isoformat(timespec="seconds"),
            settings_revision=revision,
            sequences=sequences,
            tables=tables,
            blobs=tables["blob"].rows,
            blob_bytes=sum(size for _, size in blobs_of(directory, tables["blob"].columns)),
            root_credentials=self._copy_credentials(directory),
            unusable=Unusable(0, 0, ""),  # known once the blobs are copied
        )

    async def _copy_table(self, conn: Connection, table: str, file: Path) -> TableFile:
        columns = await snapshot.columns_of(conn, table)
        seen = RowsSeen()
        with self.archive.new_file(file) as rows:

            def write(piece: bytes) -> None:
                seen.add(piece)
                rows.write(piece)

            seconds = self.timeout_seconds
            await snapshot.copy_out(conn, table, columns, write, timeout_seconds=seconds)
        return seen.as_table(columns)

    def _copy_credentials(self, directory: Path) -> str | None:
        try:
            with disk_errors(f"read {self.credentials}"):
                text = self.credentials.read_bytes()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        with self.archive.new_file(directory / CREDENTIALS) as file:
            file.write(text)
        return hashlib.sha256(text).hexdigest()

    async def _copy_blobs(
        self, directory: Path, description: Description, lock: HeldLock
    ) -> Findings:
        tables = description.tables
        with (
            self.show("copying blobs", description.blob_bytes) as advance,
            ThreadPoolExecutor(THREADS, thread_name_prefix="backup") as threads,
        ):
            copies = BlobCopies(
                source=self.blobs,
                target=self.archive.blobs,
                read_only=self.archive.read_only,
                threads=threads,
                read_data=self.read_data,
                before_batch=lock.check,
                advance=advance,
                unusable=lambda digest: lacking.write(unusable.line_of(digest)),
            )
            with self.archive.new_file(directory / unusable.UNUSABLE) as lacking:
                findings = await copies.copy(blobs_of(directory, tables["blob"].columns))
            lost = await copies.check_sizes(unusable.copied_blobs(directory, tables))
        if lost.unusable_count:
            raise CopiesLost(lost)
        return findings
