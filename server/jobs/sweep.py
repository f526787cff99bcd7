"""Removes what is no longer referenced: manifests, then blobs; first to trash/, later for good.

Every step locks the rows it decides about, so an upload of the same bytes or a copy of the same
object either comes first and is seen, or waits and then finds the blob marked (D3, D7). A crash
between any two steps leaves work for the next pass, never a row without its file.
"""

import asyncio
import time
from typing import Final

import structlog

from server.blobs.errors import StorageError
from server.blobs.store import BlobStore
from server.metadata import released
from server.metadata.errors import MetadataError
from server.metadata.store import Metadata

# Blobs in one transaction: their rows stay locked while their files are renamed and fsynced.
_BATCH: Final = 100
# Within this time a client may ask again for an upload that it completed.
_COMPLETED_UPLOAD_SECONDS: Final = 7 * 24 * 3600.0
# A file that no row names may belong to a transaction that is still under way: no request lasts so
# long. D8 wants it gone within a day, hence half of one for the age and half for the interval.
_ORPHAN_SECONDS: Final = 12 * 3600.0


class Sweep:
    """The sweep of one worker. Only one works at a time across all workers and nodes.

    grace_seconds: how long what lost its last reference is kept for those who still read it.
    """

    def __init__(self, metadata: Metadata, blobs: BlobStore, *, grace_seconds: float) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._grace_seconds = grace_seconds
        self._orphans_due = time.monotonic() + _ORPHAN_SECONDS

    async def run_every(self, interval_seconds: float) -> None:
        """Sweep again and again; trouble is logged and tried again next time."""
        log = structlog.get_logger()
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                async with self._metadata.alone("sweep") as is_alone:
                    if is_alone:
                        await self.run()
            except (MetadataError, StorageError) as error:
                log.warning("sweep failed", error=str(error))

    async def run(self) -> None:
        """Remove all that may be removed now."""
        await self._blobs.remove_stale_staging()
        while await self._forget_uploads() >= _BATCH:
            pass
        while await self._delete_manifests() >= _BATCH:
            pass
        while await self._trash_released() >= _BATCH:
            pass
        while await self._unlink_trashed() >= _BATCH:
            pass
        if time.monotonic() >= self._orphans_due:
            self._orphans_due = time.monotonic() + _ORPHAN_SECONDS
            await self.trash_orphans(_ORPHAN_SECONDS)

    async def trash_orphans(self, age_seconds: float) -> None:
        """Move files that no row names to trash/, if they are older than any request (D8)."""
        async for digests in self._blobs.old_blobs(changed_before=time.time() - age_seconds):
            async with self._metadata.transaction() as conn:
                await self._blobs.trash(await released.adopt_orphans(conn, digests))

    async def _forget_uploads(self) -> int:
        async with self._metadata.transaction() as conn:
            return await released.forget_completed_uploads(
                conn, age_seconds=_COMPLETED_UPLOAD_SECONDS, limit=_BATCH
            )

    async def _delete_manifests(self) -> int:
        async with self._metadata.transaction() as conn:
            return await released.delete_manifests(
                conn, grace_seconds=self._grace_seconds, limit=_BATCH
            )

    async def _trash_released(self) -> int:
        async with self._metadata.transaction() as conn:
            locked, unreferenced = await released.lock_released_blobs(conn, limit=_BATCH)
            await self._blobs.trash(unreferenced)
            await released.mark_trashed(conn, unreferenced)
            await released.forget_released(conn, locked)
        return len(locked)

    async def _unlink_trashed(self) -> int:
        async with self._metadata.transaction() as conn:
            locked, unreferenced = await released.lock_trashed_blobs(
                conn, grace_seconds=self._grace_seconds, limit=_BATCH
            )
            # A copy found the blob while it was being moved: it lives again.
            living = set(locked) - set(unreferenced)
            await self._blobs.restore(living)
            await released.revive(conn, living)
            await self._blobs.unlink_trashed(unreferenced)
            await released.delete_blobs(conn, unreferenced)
        return len(locked)
