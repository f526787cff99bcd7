"""Looks at both sides, rows and files, and names every broken invariant.

It changes nothing, and works beside a running server. What the rows say of one another is one
snapshot a question. Between rows and files a transaction may be under way: what looks wrong is
looked at again while the rows are held, or is old enough to belong to nobody. Memory does not grow
with what is looked at, nor with what is found.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString

from server.blobs import inspection
from server.blobs.errors import StorageError
from server.blobs.inspection import FoundFile
from server.blobs.store import BlobStore
from server.jobs.sweep import SWEEP
from server.jobs.whole_blobs import fault_of, files_in_place
from server.metadata import blobs as blob_table
from server.metadata import checks, inline_bodies, job_locks, schema, scrubs
from server.metadata.blobs import BlobRecord
from server.metadata.errors import RowsUnreadable
from server.metadata.inline_bodies import InlineObject
from server.metadata.scrubs import ScrubStatus
from server.metadata.store import Metadata
from server.model.blob import Blob
from server.model.checksum import ChecksumType
from server.model.invariant import Finding, Invariant
from server.model.names import BlobDigest
from server.rules.checksums import checksum_of

_PAGE: Final = 200
# D8: so long may a file be there that no row names.
_DAY: Final = 86_400.0
# A staged file is locked right after it was made.
_SECOND_LOOK_SECONDS: Final = 1.0
_MD5: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(slots=True)
class Looked:
    """What was looked at, in numbers."""

    buckets: int = 0
    objects: int = 0
    uploads: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    bytes_read: int = 0
    bodies_read: int = 0
    scrub: ScrubStatus | None = None


class Check:
    """One look at everything.

    found: called with each finding as it comes.
    progress: called with what is looked at, how much of it is done, and how much there is.
    now: seconds since the epoch. grace_seconds: how long the sweep leaves blobs in trash/.

    looked: what was looked at so far.
    """

    def __init__(
        self,
        metadata: Metadata,
        blobs: BlobStore,
        *,
        found: Callable[[Finding], None],
        progress: Callable[[str, int, int], None],
        now: float,
        grace_seconds: float,
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._found = found
        self._progress = progress
        self._now = now
        self._grace_seconds = grace_seconds
        self.looked = Looked()

    async def run(self, *, read_data: bool) -> None:
        """Look at everything; read_data: at every byte, too.

        What cannot be read is a finding. Raises MetadataError where PostgreSQL goes away: `looked`
        then says how far it came.
        """
        await self._look_at_postgres()
        await self._unless_unreadable("counts", self._count())
        # Who reads the blobs finds out for himself.
        told = {Invariant.RottenBlob} if read_data else set()
        asked = [invariant for invariant in checks.ROWS if invariant not in told]
        for number, invariant in enumerate(asked):
            self._progress("rows", number, len(asked))
            await self._unless_unreadable(invariant.broken, self._look_at_rows(invariant))
        for number, index in enumerate(checks.INDEXES):
            self._progress("indexes", number, len(checks.INDEXES))
            await self._unless_unreadable(index, self._look_at_index(index))
        await self._unless_unreadable("blobs", self._look_at_blobs(read_data=read_data))
        await self._unless_unreadable("files", self._look_at_directories())
        if read_data:
            await self._unless_unreadable("bodies", self._read_inline_bodies())

    async def _unless_unreadable(self, what: str, look: Awaitable[None]) -> None:
        """Go on where some rows or files cannot be read: the others still say something."""
        try:
            await look
        except RowsUnreadable as error:
            self._found(Finding(Invariant.UnreadableRows, what, str(error)))
        except StorageError as error:
            self._found(Finding(Invariant.UnreadableFiles, what, str(error)))

    async def _look_at_postgres(self) -> None:
        async with self._metadata.connection() as conn:
            for said in await schema.unsafe_settings(conn):
                self._found(Finding(Invariant.CommitsMayBeLost, said))

    async def _count(self) -> None:
        async with self._metadata.long_transaction() as conn:
            counts = await checks.looked_at(conn)
            self.looked.scrub = await scrubs.status(conn)
        self.looked.buckets, self.looked.objects, self.looked.uploads = counts

    async def _look_at_rows(self, invariant: Invariant) -> None:
        if invariant is Invariant.ReleasedAndForgotten and await self._sweep_is_busy():
            return
        async with (
            self._metadata.long_transaction() as conn,
            aclosing(checks.cases(conn, invariant)) as cases,
        ):
            async for finding in cases:
                self._found(finding)

    async def _sweep_is_busy(self) -> bool:
        """Return whether a backup keeps the sweep out, or it is at work: D8 has to wait for that.

        A backup may take longer than a day.
        """
        async with self._metadata.connection() as conn:
            return await job_locks.is_held(conn, SWEEP)

    async def _look_at_index(self, name: LiteralString) -> None:
        async with self._metadata.long_transaction() as conn:
            fault = await checks.index_fault(conn, name)
        if fault is not None:
            self._found(Finding(Invariant.IndexWithoutRows, name, fault))

    async def _look_at_blobs(self, *, read_data: bool) -> None:
        async with self._metadata.long_transaction() as conn:
            count, size = await blob_table.totals(conn)
        async for page in self._pages(with_crcs=read_data):
            self.looked.blobs += len(page)
            self.looked.blob_bytes += sum(each.blob.size for each in page)
            if not read_data:
                self._progress("blobs", self.looked.blobs, count)
            living = [each.blob for each in page if not each.trashed]
            await self._unless_unreadable(
                "blobs", self._look_at_page(living, size, read_data=read_data)
            )

    async def _look_at_page(self, living: Sequence[Blob], size: int, *, read_data: bool) -> None:
        whole = await self._look_at_files(living)
        for blob in whole if read_data else ():
            await self._read_blob(blob, size)

    async def _pages(self, *, with_crcs: bool) -> AsyncIterator[Sequence[BlobRecord]]:
        after = b""
        while True:
            async with self._metadata.connection() as conn:
                page = await blob_table.page(conn, after=after, limit=_PAGE, with_crcs=with_crcs)
            if not page:
                return
            yield page
            after = page[-1].blob.digest

    async def _look_at_files(self, living: Sequence[Blob]) -> list[Blob]:
        """Report what is wrong with the files of these blobs; return those that may be read."""
        try:
            files = await self._blobs.find_files([blob.digest for blob in living])
        except StorageError:
            living = [blob for blob in living if await self._can_be_looked_at(blob)]
            files = await self._blobs.find_files([blob.digest for blob in living])
        fine = [
            blob
            for blob, file in zip(living, files, strict=True)
            if _fault_of_file(blob, file) is None
        ]
        if len(fine) == len(living):
            return fine
        # The sweep may have been between row and file, or a restored blob between two places.
        by_digest = {blob.digest: blob for blob in living}
        suspects = by_digest.keys() - {blob.digest for blob in fine}
        held = await files_in_place(self._metadata, self._blobs, suspects)
        for digest, file in held.items():
            blob = by_digest[digest]
            if (finding := _fault_of_file(blob, file)) is not None:
                self._found(finding)
            if file is not None and file.size == blob.size:
                fine.append(blob)
        return fine

    async def _can_be_looked_at(self, blob: Blob) -> bool:
        try:
            await self._blobs.find_files([blob.digest])
        except StorageError as error:
            self._found(Finding(Invariant.RottenBlob, blob.digest.hex(), str(error)))
            return False
        return True

    async def _read_blob(self, blob: Blob, total: int) -> None:
        async def read(count: int) -> None:
            self.looked.bytes_read += count
            self._progress("bytes of blobs", self.looked.bytes_read, total)

        try:
            fault = await fault_of(self._metadata, self._blobs, blob, read)
            reason = fault.reason if fault else None
        except StorageError as error:  # of this file, perhaps: the others are read all the same
            reason = str(error)
        if reason is not None:
            self._found(Finding(Invariant.RottenBlob, blob.digest.hex(), reason))

    async def _look_at_directories(self) -> None:
        layout = self._blobs.layout
        missing = await asyncio.to_thread(inspection.missing_directories, layout)
        for path in missing:
            self._found(Finding(Invariant.MissingDirectory, str(path)))
        for path in (layout.root, *layout.directories):
            if path not in missing:
                await self._unless_unreadable(str(path), self._look_at_directory(path))

    async def _look_at_directory(self, directory: Path) -> None:
        layout = self._blobs.layout
        if directory == layout.staging:
            await self._look_at_staging()
            return
        async for paths in self._blobs.foreign_files(directory):
            for path in paths:
                self._found(Finding(Invariant.ForeignFile, str(path)))
        before = self._now - _DAY
        if directory == layout.trash:
            before -= self._grace_seconds
            old = self._blobs.old_trash(changed_before=before)
        else:
            shards = [] if directory == layout.root else [directory.name]
            old = self._blobs.old_blobs(changed_before=before, shards=shards)
        async for digests in old:
            await self._report_orphans(digests, before)

    async def _look_at_staging(self) -> None:
        async for staged in self._blobs.unlocked_staging():
            await asyncio.sleep(_SECOND_LOOK_SECONDS)
            for path in await self._blobs.still_unlocked(staged):
                self._found(Finding(Invariant.TempFileWithoutProcess, str(path)))

    async def _report_orphans(self, digests: Collection[BlobDigest], changed_before: float) -> None:
        async with self._metadata.connection() as conn:
            unknown = [*set(digests) - await blob_table.known(conn, digests)]
        if not unknown or await self._sweep_is_busy():
            return
        # Again, after the rows: a file that got its row and lost it since is gone, and one that was
        # just published is new.
        for digest, file in zip(unknown, await self._blobs.find_files(unknown), strict=True):
            if file is not None and file.changed < changed_before:
                where = "in trash/" if file.is_in_trash else ""
                self._found(Finding(Invariant.FileWithoutRow, digest.hex(), where))

    async def _read_inline_bodies(self) -> None:
        async with self._metadata.long_transaction() as conn:
            total = await inline_bodies.count(conn)
        async with (
            self._metadata.long_transaction() as conn,
            aclosing(inline_bodies.everyone(conn)) as bodies,
        ):
            async for each in bodies:
                self.looked.bodies_read += 1
                self.looked.bytes_read += len(each.data)
                self._progress("bodies in rows", self.looked.bodies_read, total)
                if (fault := _fault_of_body(each)) is not None:
                    self._found(Finding(Invariant.RottenRow, each.name, fault))


def _fault_of_file(blob: Blob, file: FoundFile | None) -> Finding | None:
    name = blob.digest.hex()
    if file is None:
        return Finding(Invariant.BlobWithoutFile, name)
    if file.size != blob.size:
        detail = f"{file.size} bytes instead of {blob.size}"
        return Finding(Invariant.FileOfAnotherSize, name, detail)
    if file.is_in_trash:
        return Finding(Invariant.LivingBlobInTrash, name, "the sweep brings it back")
    return None


def _fault_of_body(body: InlineObject) -> str | None:
    checksum = body.checksum
    if (
        checksum is not None
        and checksum.type is ChecksumType.FULL_OBJECT
        and checksum_of(checksum.algorithm, body.data) != checksum.value
    ):
        return f"its {checksum.algorithm.name} is another"
    if _MD5.fullmatch(body.etag):
        md5 = hashlib.md5(body.data, usedforsecurity=False).hexdigest()
        return None if md5 == body.etag else "its ETag is not the MD5 of its bytes"
    return None
