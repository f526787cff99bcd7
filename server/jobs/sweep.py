"""Removes what is no longer referenced: manifests, then blobs; first to trash/, later for good.

Every step locks the rows it decides about, so an upload of the same bytes or a copy of the same
object either comes first and is seen, or waits and then finds the blob marked (D3, D7). A crash
between any two steps leaves work for the next pass, never a row without its file. A backup locks no
rows, and relies on the lock of the sweep: before each step is looked whether that is still held.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final

import structlog

from server.blobs.errors import BlobLayoutError, StorageError
from server.blobs.store import BlobStore
from server.jobs import pairing
from server.metadata import job_runs, released
from server.metadata.connection import Connection
from server.metadata.errors import MetadataError
from server.metadata.store import Metadata
from server.model.names import BlobDigest

# Awaited before each transaction; raises where there must be no more of them.
BeforeStep = Callable[[], Awaitable[None]]

# The name of the lock: whoever holds it keeps every sweep of every node away.
SWEEP: Final = "sweep"
# Blobs in one transaction: their rows stay locked while their files are renamed and fsynced.
_BATCH: Final = 100
# Manifests in one transaction: each may have 10,000 parts.
_MANIFESTS: Final = 10
# Within this time a client may ask again for an upload that it completed.
_COMPLETED_UPLOAD_SECONDS: Final = 7 * 24 * 3600.0
# A file that no row names may belong to a transaction that is still under way: no request lasts so
# long.
ORPHAN_SECONDS: Final = 12 * 3600.0
# D8 wants it gone within a day. The hour that is left is for the sweep to come round, and to work.
_ORPHANS_EVERY_SECONDS: Final = 11 * 3600.0
# Blobs that are looked for in a directory before what no row names is taken out of it.
_SAMPLE: Final = 100
# The clocks of PostgreSQL and of the file system may differ by so much.
_CLOCKS_SECONDS: Final = 60.0
_ORPHAN_JOB: Final = "trash orphans"


@dataclass(slots=True)
class Swept:
    """What one pass of the sweep did, in numbers."""

    temp_files: int = 0  # of dead writers, removed
    uploads: int = 0  # completed long ago, forgotten
    manifests: int = 0  # releases of them that are done with
    orphans: int = 0  # files that no row named, adopted into trash/
    trashed: int = 0  # blobs that nothing names any more, moved to trash/
    restored: int = 0  # blobs that something names, brought back out of trash/
    removed: int = 0  # blobs removed for good, with their rows
    lost: int = 0  # blobs that something names, and that have no file


async def _nothing() -> None:
    pass


class Sweep:
    """The sweep of one worker. Only one works at a time across all workers and nodes.

    grace_seconds: how long what lost its last reference is kept for those who still read it.
    """

    def __init__(self, metadata: Metadata, blobs: BlobStore, *, grace_seconds: float) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._grace_seconds = grace_seconds
        self._log = structlog.get_logger()

    async def run_every(self, interval_seconds: float) -> None:
        """Sweep again and again; trouble is logged and tried again next time."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                async with self._metadata.alone(SWEEP) as lock:
                    if lock is not None:
                        await self.run(before_step=lock.check)
            except (MetadataError, StorageError) as error:
                self._log.warning("sweep failed", error=str(error))
            except Exception as error:  # noqa: BLE001 - a job that ends would end until a restart
                self._log.error("sweep failed", exc_info=error)

    async def run(
        self,
        *,
        orphans_older_than: float | None = None,
        before_step: BeforeStep = _nothing,
    ) -> Swept:
        """Remove all that may be removed now; return what was done.

        Raises BlobLayoutError where the directory is that of another database, NodeReadOnly.

        orphans_older_than: look for files that no row names, of that age in seconds; None: of the
            age that is safe beside any request, and only if nobody looked for eleven hours.
        before_step: the check of the lock; without it nobody may make a backup meanwhile.
        """
        self._blobs.refuse_when_read_only()
        async with self._metadata.connection() as conn:
            await pairing.refuse_another(conn, self._blobs.layout)
        swept = Swept(temp_files=await self._blobs.remove_stale_staging())
        if orphans_older_than is not None:
            swept.orphans += await self.trash_orphans(orphans_older_than, before_step)
        await self._settle_trash(swept, before_step)
        for step in (
            self._forget_uploads,
            self._delete_manifests,
            self._trash_released,
            self._unlink_trashed,
        ):
            await _until_nothing_is_left(step, swept, before_step)
        if orphans_older_than is None and await self._orphans_are_due():
            swept.orphans += await self.trash_orphans(ORPHAN_SECONDS, before_step)
            async with self._metadata.transaction() as conn:
                await job_runs.done(conn, _ORPHAN_JOB)
        return swept

    async def trash_orphans(self, age_seconds: float, before_step: BeforeStep = _nothing) -> int:
        """Move files that no row names to trash/, if they are older than any request (D8).

        Returns how many. Raises BlobLayoutError where the directory seems to be that of another
        database: there, every file would be an orphan. Those of that batch then stay.
        """
        moved = 0
        async for digests in self._blobs.old_blobs(changed_before=time.time() - age_seconds):
            await before_step()
            async with self._metadata.transaction() as conn:
                orphans = await released.adopt_orphans(conn, digests)
                await self._refuse_the_directory_of_another(conn, orphans)
                await self._blobs.trash(orphans)
            moved += len(orphans)
        return moved

    async def _refuse_the_directory_of_another(
        self, conn: Connection, orphans: Collection[BlobDigest]
    ) -> None:
        if not orphans:
            return
        root = self._blobs.layout.root
        named = await released.some_in_place(conn, limit=_SAMPLE)
        if named and not await self._blobs.has_any(named):
            raise BlobLayoutError(
                f"{root} has none of {len(named)} blobs that the database names;"
                " is it the directory of another one? Its files are left alone."
            )
        # A database that is new, after the old one was lost perhaps, names nothing: every file
        # would be an orphan. Nobody can set a ctime back.
        began = await released.began(conn)
        for file in await self._blobs.find_files(orphans):
            if file and (began is None or file.changed < began - _CLOCKS_SECONDS):
                raise BlobLayoutError(
                    f"{root} has files that are older than the database, and that it does not"
                    " name; is it the directory of another one? Its files are left alone."
                )

    async def _settle_trash(self, swept: Swept, before_step: BeforeStep) -> None:
        """Deal with what lies in trash/ and no row says so; nothing usually does.

        A crash, or a database that lost its locks, left it: a second copy of a blob that lives, the
        only copy of one, or an orphan.
        """
        old = time.time() - self._grace_seconds
        async for digests in self._blobs.old_trash(changed_before=old):
            await before_step()
            async with self._metadata.transaction() as conn:
                orphans = await released.adopt_orphans(conn, digests)
                await self._refuse_the_directory_of_another(conn, orphans)
                await self._restore(await released.lock_in_place(conn, digests), swept)
            swept.orphans += len(orphans)

    async def _restore(self, digests: Collection[BlobDigest], swept: Swept) -> None:
        lost = await self._blobs.restore(digests)
        for each in lost:
            self._log.error("a blob is lost", digest=each.hex())
        swept.lost += len(lost)
        swept.restored += len(digests) - len(lost)

    async def _orphans_are_due(self) -> bool:
        async with self._metadata.connection() as conn:
            return await job_runs.is_due(conn, _ORPHAN_JOB, every_seconds=_ORPHANS_EVERY_SECONDS)

    async def _forget_uploads(self, swept: Swept) -> int:
        async with self._metadata.transaction() as conn:
            forgotten = await released.forget_completed_uploads(
                conn, age_seconds=_COMPLETED_UPLOAD_SECONDS, limit=_BATCH
            )
        swept.uploads += forgotten
        return forgotten

    async def _delete_manifests(self, swept: Swept) -> int:
        # The parts and slices of a manifest of 10,000 parts go with it, each with its triggers.
        async with self._metadata.long_transaction() as conn:
            done = await released.delete_manifests(
                conn, grace_seconds=self._grace_seconds, limit=_MANIFESTS
            )
        swept.manifests += done
        return done

    async def _trash_released(self, swept: Swept) -> int:
        async with self._metadata.transaction() as conn:
            looked_at, unreferenced = await released.lock_released_blobs(conn, limit=_BATCH)
            await self._blobs.trash(unreferenced)
            await released.mark_trashed(conn, unreferenced)
        swept.trashed += len(unreferenced)
        return looked_at

    async def _unlink_trashed(self, swept: Swept) -> int:
        async with self._metadata.transaction() as conn:
            locked, unreferenced = await released.lock_trashed_blobs(
                conn, grace_seconds=self._grace_seconds, limit=_BATCH
            )
            # A copy found the blob while it was being moved: it lives again.
            living = set(locked) - set(unreferenced)
            await self._restore(living, swept)
            # An upload that died before its COMMIT put the file in place again: once more, then,
            # and with a new grace. A file without its row would stay until orphans are looked for.
            again = await self._in_place(unreferenced)
            await released.revive(conn, living | again)
            if again:
                await self._blobs.trash(again)
                await released.mark_trashed(conn, again)
            gone = set(unreferenced) - again
            await self._blobs.unlink_trashed(gone)
            await released.delete_blobs(conn, gone)
        swept.trashed += len(again)
        swept.removed += len(gone)
        return len(locked)

    async def _in_place(self, locked: Collection[BlobDigest]) -> set[BlobDigest]:
        files = await self._blobs.find_files(locked)
        return {
            digest
            for digest, file in zip(locked, files, strict=True)
            if file is not None and not file.is_in_trash
        }


async def _until_nothing_is_left(
    step: Callable[[Swept], Awaitable[int]], swept: Swept, before_step: BeforeStep
) -> None:
    await before_step()
    # A step that did nothing may have met only rows that others have locked: next time, then.
    while await step(swept):
        await before_step()
