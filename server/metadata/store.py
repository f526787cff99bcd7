"""The metadata of the server, as operations see it.

Questions about single keys go through batches; everything else borrows a connection.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, Protocol, Self, TypeVar

from psycopg import OperationalError
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from server.metadata import access_keys, buckets, object_versions, settings_revision
from server.metadata.batch import Batch
from server.metadata.connection import (
    DAMAGED,
    UNAVAILABLE,
    Connection,
    connect,
    session,
    unhurried,
)
from server.metadata.errors import MetadataOverloaded, MetadataUnavailable, RowsUnreadable
from server.metadata.fence import Fence, outcome_is_unknown
from server.metadata.job_locks import HeldLock
from server.metadata.object_versions import Delete, Find, Publish, Put
from server.metadata.outage import Outage, is_dead
from server.metadata.settings_cache import SettingsCache
from server.metadata.settling import settled
from server.model.bucket import AccessKey, Bucket
from server.model.names import AccessKeyId, BucketName, ObjectKey
from server.model.object_version import ObjectContent, ObjectVersion

Row = TypeVar("Row")
Asked = TypeVar("Asked")

# Questions in one round trip. Larger batches gain little and hold row locks for longer.
_LARGEST_BATCH: Final = 64
# Questions that may wait for a batch, and requests for a connection, in one worker.
_WAITING: Final = 2048
# How long a batch waits at most for clients that were just answered. Sixteen requests take a worker
# that long; 2 ms gained half as much.
_PATIENCE_SECONDS: Final = 0.005
# The pool waits twice as long after each failure to connect, for so long; whoever asks for a
# connection later makes it begin anew. Long enough, its pauses would outlast PostgreSQL's.
_RECONNECT_SECONDS: Final = 4.0
# How long a request waits for a connection of the pool, whatever it may take after that.
_POOL_WAIT_SECONDS: Final = 10.0
# Writes that publish a blob wait for the disk first: while one batch does, the other fills. Those
# of rows alone do not wait behind them, and in one lane share a commit with more of their kind
# (5 % more PutObjects of 4 KiB than in two).
_BLOB_LANES: Final = 2


class Allowed(Protocol):
    """A decision that a request is allowed, and the settings revision it was decided under."""

    revision: int

    async def renew(self, bucket_id: int) -> int:
        """Decide again, under the present revision; raise where it is not allowed any more.

        Returns the id that the bucket has now: another one where it was deleted and made again.
        """


class Metadata:
    """All metadata of one worker. Make it with `opened`."""

    def __init__(self, url: str, *, connections: int, timeout_seconds: float) -> None:
        self._url = url
        self._batches: list[Batch[Any, Any]] = []
        self._timeout_seconds = timeout_seconds
        connect_anew = partial(connect, url, timeout_seconds=timeout_seconds)
        self._fence = Fence(connect_anew)
        self._outage = Outage(
            connect_anew,
            silent_since=self._silent_since,
            long_since=lambda: min(self._long.values(), default=None),
            overdue=self._overdue,
            began=self._pause,
            ended=self._resume,
            fence=self._fence,
        )
        # When the holder of each connection of the pool was first seen to wait for the answer that
        # it waits for; infinity: it does not. And of those who may have to wait for long.
        self._borrowed: dict[Connection, float] = {}
        self._long: dict[Connection, float] = {}
        self._pool = AsyncConnectionPool(
            url,
            kwargs=session(url, timeout_seconds),
            min_size=1,
            max_size=connections,
            max_waiting=_WAITING,
            timeout=min(timeout_seconds, _POOL_WAIT_SECONDS),
            reconnect_timeout=_RECONNECT_SECONDS,
            configure=self._outage.opened,
            check=_check,
            open=False,
        )
        self.settings = SettingsCache(self._load_key, self._load_bucket, self._read_revision)
        # Each lane of a batch has a connection of its own, beside the pool's.
        self._finds = self._batch(object_versions.find, repeatable=True, patient=True)
        self._revisions = self._batch(_one_revision_for_all, repeatable=True)
        self._row_puts = self._batch(object_versions.put_all, patient=True)
        self._blob_puts = self._batch(object_versions.put_all, lanes=_BLOB_LANES)
        self._deletes = self._batch(object_versions.delete_all, patient=True)

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, url: str, *, connections: int, timeout_seconds: float
    ) -> AsyncIterator[Self]:
        """Yield the metadata of a prepared database; PostgreSQL may be away for the moment.

        connections: borrowed by operations that do not go through a batch, at most.
        timeout_seconds: for a statement, and for a wait for a connection.
        """
        metadata = cls(url, connections=connections, timeout_seconds=timeout_seconds)
        await metadata._pool.open(wait=False)
        watch = asyncio.create_task(metadata._outage.watch(), name="outage")
        try:
            yield metadata
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            for batch in metadata._batches:
                await batch.close()
            await metadata._pool.close()

    async def current(
        self, bucket_id: int, key: ObjectKey, allowed: Allowed, *, with_body: bool = True
    ) -> ObjectVersion | None:
        """Return the current version of the key, or None.

        with_body: False leaves a small body out, for who only wants to know about it.
        """
        while True:
            found = await self._finds.ask(Find(bucket_id, key, with_body))
            if found.revision == allowed.revision:
                return found.version
            bucket_id = await self._renew(allowed, bucket_id, found.revision)

    async def put(
        self,
        bucket_id: int,
        key: ObjectKey,
        content: ObjectContent,
        allowed: Allowed,
        *,
        publish: Publish | None = None,
    ) -> None:
        """Make the content the current version of the key, durably.

        publish: as in object_versions.Put.
        """
        puts = self._row_puts if publish is None else self._blob_puts
        while not await puts.ask(Put(bucket_id, key, content, publish, allowed.revision)):
            bucket_id = await self._renew(allowed, bucket_id)

    async def delete(self, bucket_id: int, key: ObjectKey, allowed: Allowed) -> None:
        """Leave the key holding nothing, durably, whether it held something or not."""
        while not await self._deletes.ask(Delete(bucket_id, key, allowed.revision)):
            bucket_id = await self._renew(allowed, bucket_id)

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Yield a borrowed connection in autocommit mode, for reads.

        It is cut where its holder waits for an answer for more than twice timeout_seconds.

        Raises MetadataUnavailable, MetadataOverloaded, RowsUnreadable.
        """
        return self._lent(self._borrowed)

    @contextlib.asynccontextmanager
    async def long_transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection inside a transaction that may take hours.

        For jobs that read all rows of a table, or remove very many; never for requests. Raises as
        connection().
        """
        async with self._lent(self._long) as conn, conn.transaction():
            await unhurried(conn)
            yield conn

    @contextlib.asynccontextmanager
    async def _lent(self, since: dict[Connection, float]) -> AsyncIterator[Connection]:
        if self._outage.is_on:
            raise MetadataUnavailable("PostgreSQL is away")
        try:
            async with self._pool.connection() as conn:
                since[conn] = math.inf
                try:
                    yield conn
                finally:
                    since.pop(conn, None)
        except TooManyRequests as error:
            raise MetadataOverloaded from error
        except (*UNAVAILABLE, PoolTimeout) as error:
            self._outage.suspect()
            raise MetadataUnavailable(str(error)) from error
        except DAMAGED as error:
            raise RowsUnreadable(str(error)) from error

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection inside a transaction, committed when the block ends well."""
        async with self.connection() as conn, conn.transaction():
            yield conn

    def alone(self, job: str) -> AbstractAsyncContextManager[HeldLock | None]:
        """Yield the lock of the job, or None where another process, of any node, does it now.

        On a connection of its own: a job that held one of the pool's while it waits for another
        would wait for ever where there is only one.

        Raises MetadataUnavailable.
        """
        return HeldLock.if_free(self._url, job, timeout_seconds=self._timeout_seconds)

    async def write(
        self, allowed: Allowed, bucket_id: int, change: Callable[[Connection], Awaitable[Row]]
    ) -> Row:
        """Return what `change` returns, run in a transaction in which the decision holds.

        bucket_id: of the bucket that is changed; `change` asks its request for the id, which is
        another one once the decision was renewed for a bucket that was made again.

        The change may run again, on a new transaction, when the decision had to be renewed. It is
        finished even if the caller is cancelled, so that staged files stay valid meanwhile.
        """
        task = asyncio.create_task(self._write(allowed, bucket_id, change))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await settled(task)
            raise

    async def _write(
        self, allowed: Allowed, bucket_id: int, change: Callable[[Connection], Awaitable[Row]]
    ) -> Row:
        while True:
            is_begun = False
            try:
                async with self.transaction() as conn:
                    is_begun = True
                    if await settings_revision.hold(conn, allowed.revision, [bucket_id]):
                        return await change(conn)
            except MetadataUnavailable as error:
                if is_begun and outcome_is_unknown(error.__cause__):
                    await self._give_up([bucket_id])
                raise
            bucket_id = await self._renew(allowed, bucket_id)

    async def _renew(self, allowed: Allowed, bucket_id: int, revision: int | None = None) -> int:
        if revision is None:
            await self.settings.refresh()
        else:
            self.settings.observe(revision)
        return await allowed.renew(bucket_id)

    def _batch(
        self,
        answer: Callable[[Connection, Sequence[Asked]], Awaitable[Sequence[Row]]],
        *,
        lanes: int = 1,
        repeatable: bool = False,
        patient: bool = False,
    ) -> Batch[Asked, Row]:
        batch = Batch(
            answer,
            self._connect,
            lanes=lanes,
            largest=_LARGEST_BATCH,
            waiting=_WAITING,
            repeatable=repeatable,
            gave_up=None if repeatable else self._give_up_batch,
            # statement_timeout comes first and leaves the connection usable.
            timeout_seconds=self._timeout_seconds * 2,
            patience_seconds=_PATIENCE_SECONDS if patient else 0,
        )
        self._batches.append(batch)
        return batch

    async def _connect(self) -> Connection:
        try:
            connection = await connect(self._url, timeout_seconds=self._timeout_seconds)
        except UNAVAILABLE:
            self._outage.suspect()
            raise
        await self._outage.opened(connection)
        return connection

    async def _give_up(self, bucket_ids: Collection[int]) -> None:
        """Call it for writes to these buckets of which nobody knows what came (D2)."""
        self._fence.need(bucket_ids)
        if not self._outage.is_on:  # whose end raises it
            await self._fence.raised()

    async def _give_up_batch(self, questions: Sequence[Any]) -> None:
        await self._give_up({question.bucket_id for question in questions})

    def _silent_since(self) -> float | None:
        batches = (batch.under_way_since for batch in self._batches)
        since = [began for began in (*batches, *self._borrowed.values()) if began is not None]
        return min(since, default=None)

    def _overdue(self) -> list[Connection]:
        self._look_who_waits()
        # PostgreSQL itself ends a statement that takes half as long.
        began_before = time.monotonic() - self._timeout_seconds * 2
        overdue = [conn for conn, began in self._borrowed.items() if began < began_before]
        for conn in overdue:
            del self._borrowed[conn]
        return overdue

    def _look_who_waits(self) -> None:
        for lent in (self._borrowed, self._long):
            for conn, since in lent.items():
                if conn.info.transaction_status is not TransactionStatus.ACTIVE:
                    lent[conn] = math.inf
                elif since == math.inf:
                    lent[conn] = time.monotonic()

    def _pause(self) -> None:
        for batch in self._batches:
            batch.pause()

    def _resume(self) -> None:
        for batch in self._batches:
            batch.resume()

    async def _load_key(self, access_key_id: AccessKeyId) -> tuple[int, AccessKey | None]:
        async with self.connection() as conn:
            return await access_keys.find(conn, access_key_id)

    async def _load_bucket(self, name: BucketName) -> tuple[int, Bucket | None]:
        async with self.connection() as conn:
            return await buckets.find(conn, name)

    async def _read_revision(self) -> int:
        return await self._revisions.ask(None)


async def _check(conn: Connection) -> None:
    # Called before each use; the pool replaces what is closed.
    if is_dead(conn):
        await conn.close()
        raise OperationalError("the connection is closed")


async def _one_revision_for_all(conn: Connection, questions: Sequence[None]) -> Sequence[int]:
    return [await settings_revision.read(conn)] * len(questions)
