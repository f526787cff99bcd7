"""Reads every blob again, at a set pace, and says which are rotten: D9.

What a read never touches rots unseen, and is found when it is too late to write it again. The scrub
repairs nothing and removes nothing: a client that stores the same bytes again repairs the blob.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from itertools import chain, zip_longest
from typing import Final

import structlog

from server.blobs.errors import StorageError
from server.blobs.store import BlobStore
from server.jobs import pairing
from server.jobs.whole_blobs import Fault, fault_of, note_rotten
from server.metadata import scrubs
from server.metadata.connection import Connection
from server.metadata.errors import MetadataError
from server.metadata.scrubs import Kind
from server.metadata.store import Metadata
from server.model.blob import Blob
from server.model.names import BlobDigest

# How often is looked whether a blob is due, or another node has ceased to scrub.
_LOOK_SECONDS: Final = 60.0
# Blobs that are asked for, and noted as whole, at once: small ones cost a commit together.
_BATCH: Final = 100
# After so long the lock is asked for anew, once the blob at hand is read.
_TURN_SECONDS: Final = 60.0
# So long are notes kept back at most: what was read before a restart is not read again after it.
_NOTE_SECONDS: Final = 10.0
# To find and open a file costs a disk as much as so many bytes: a million small blobs are not read
# in a rush either.
_LEAST_BYTES: Final = 64 << 10
# A rotten blob is read, and spoken of, again and again: until it is repaired or gone.
_ROTTEN_SECONDS: Final = 3600.0
# So long are blobs left alone at least that could not be read for a reason other than rot.
_REFUSED_SECONDS: Final = 3600.0


class Pace:
    """Bytes per second. One that was idle does not make up for it."""

    def __init__(self, bytes_per_second: float, clock: Callable[[], float]) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._free_at = 0.0  # when the bytes so far are paid for

    def after(self, count: int) -> float:
        """Return how many seconds to wait after so many bytes were read."""
        now = self._clock()
        self._free_at = max(self._free_at, now) + count / self._bytes_per_second
        return self._free_at - now


class Scrub:
    """The scrub of one worker. Only one works at a time across all workers and nodes.

    bytes_per_second: more than 0. every_seconds: how often each blob is to be seen.
    """

    def __init__(
        self,
        metadata: Metadata,
        blobs: BlobStore,
        *,
        bytes_per_second: int,
        every_seconds: float,
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._every_seconds = every_seconds
        self._clock = time.monotonic
        self._pace = Pace(bytes_per_second, self._clock)
        self._log = structlog.get_logger()
        # Blobs that could not be read, and of which nothing is noted, stay the first of their kind.
        # So many of each are passed over until all others were looked at: else a hundred of them
        # would be all that is ever looked at. Some were deleted since, perhaps, and others are
        # passed over instead: they come another time.
        self._passing: Counter[Kind] = Counter()
        self._pass_until = 0.0

    async def run_for_ever(self) -> None:
        """Scrub whatever is due, again and again; trouble is logged and tried again next time."""
        noted = 0
        while True:
            # Also after a turn in which no file could be opened: the log says so for each.
            if not noted:
                await asyncio.sleep(_LOOK_SECONDS)
            noted = 0
            try:
                # A few blobs, then the lock again: its connection may have broken meanwhile.
                async with self._metadata.alone("scrub") as lock:
                    if lock is not None:
                        noted = await self.run()
            except (MetadataError, StorageError) as error:
                self._log.warning("scrub failed", error=str(error))
            except Exception as error:  # noqa: BLE001 - a job that ends would end until a restart
                self._log.error("scrub failed", exc_info=error)

    async def run(self) -> int:
        """Look at the blobs that have waited for the longest; return of how many it was noted."""
        async with self._metadata.connection() as conn:
            await pairing.refuse_another(conn, self._blobs.layout)
            due = await self._due(conn, Kind.NeverSeen, self._every_seconds)
            due += await self._due(conn, Kind.SeenLongAgo, self._every_seconds)
            rotten = await self._due(conn, Kind.Rotten, _ROTTEN_SECONDS)
        if not (due or rotten) and self._clock() > self._pass_until:
            self._passing.clear()
        noted = 0
        whole: list[BlobDigest] = []
        began = last_note = self._clock()
        # By turns: rotten ones, if there are many, must not use up every turn.
        by_turns = chain.from_iterable(zip_longest(due[:_BATCH], rotten))
        for kind, blob in filter(None, by_turns):
            if self._clock() - began > _TURN_SECONDS:
                break
            fault = await self._fault_of(blob)
            if isinstance(fault, StorageError):
                self._log.warning("a blob cannot be scrubbed", error=str(fault))
                self._pass_over(kind)
            elif fault is not None:
                self._log.error("a blob is rotten", digest=blob.digest.hex(), reason=fault.reason)
                noted += await self._note_rotten(blob.digest, fault)
            else:
                whole.append(blob.digest)
            if self._clock() - last_note > _NOTE_SECONDS:
                noted += await self._note_whole(whole)
                last_note = self._clock()
                whole = []
        return noted + await self._note_whole(whole)

    async def _due(
        self, conn: Connection, kind: Kind, every_seconds: float
    ) -> list[tuple[Kind, Blob]]:
        passing = self._passing[kind]
        blobs = await scrubs.due(
            conn, kind, every_seconds=every_seconds, limit=_BATCH, passing=passing
        )
        return [(kind, blob) for blob in blobs]

    def _pass_over(self, kind: Kind) -> None:
        if not self._passing.total():
            self._pass_until = self._clock() + _REFUSED_SECONDS
        self._passing[kind] += 1

    async def _fault_of(self, blob: Blob) -> Fault | StorageError | None:
        await self._wait_after(_LEAST_BYTES)
        try:
            return await fault_of(self._metadata, self._blobs, blob, self._wait_after)
        except StorageError as error:  # of this file, perhaps: the others are read all the same
            return error

    async def _wait_after(self, count: int) -> None:
        await asyncio.sleep(self._pace.after(count))

    async def _note_whole(self, digests: Collection[BlobDigest]) -> int:
        if not digests:
            return 0
        # After a failed fsync memory and disk may differ, and what was read says nothing (D6).
        self._blobs.refuse_when_read_only()
        async with self._metadata.connection() as conn:
            return await scrubs.seen_whole(conn, digests)

    async def _note_rotten(self, digest: BlobDigest, fault: Fault) -> int:
        self._blobs.refuse_when_read_only()  # as above
        return await note_rotten(self._metadata, self._blobs, digest, fault)
