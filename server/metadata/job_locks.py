"""Locks that make a job the only one of its kind, across all processes and nodes.

A lock belongs to its session: it ends with its connection, and so with its process or its node.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, LiteralString, Self

from psycopg import errors as pg

from server.metadata.connection import UNAVAILABLE, Connection, connect
from server.metadata.errors import JobBusy, MetadataUnavailable

# Two numbers, so that no job can be taken for a bucket of settings_hold.
_LOCK: Final[LiteralString] = "(1, hashtext(%(job)s))"

# A session that holds a lock is idle while its owner works elsewhere: no limit may end it.
_TRY: Final[LiteralString] = f"""
    SELECT pg_try_advisory_lock{_LOCK}, set_config('idle_session_timeout', '0', false)
"""

# Whoever waits in this queue goes before those who only try: a sweep that begins anew every second
# cannot keep a backup out.
_WAIT: Final[LiteralString] = f"SELECT pg_advisory_lock{_LOCK}"

# Other limits would end the wait.
_LIMITS: Final[LiteralString] = """
    SELECT set_config('lock_timeout', %(ms)s, false),
           set_config('statement_timeout', '0', false)
"""

_SESSION: Final[LiteralString] = "SELECT pg_backend_pid()"

# objsubid 2: a lock of two numbers. PostgreSQL shows them as oids.
_IS_HELD: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND granted
                      AND database = (SELECT oid FROM pg_database
                                       WHERE datname = current_database())
                      AND (classid, objid, objsubid) = (1, hashtext(%(job)s)::oid, 2))
"""


async def try_lock(conn: Connection, job: str) -> bool:
    """Return whether the session holds the job's lock now; it did not wait for it.

    From here on the session may be idle for as long as it likes.
    """
    row = await (await conn.execute(_TRY, {"job": job})).fetchone()
    return row is not None and bool(row[0])


async def is_held(conn: Connection, job: str) -> bool:
    """Return whether any session holds the job's lock: it does the job, or keeps it from others."""
    row = await (await conn.execute(_IS_HELD, {"job": job})).fetchone()
    return row is not None and bool(row[0])


class HeldLock:
    """The lock of a job, held by a connection of its own until its context ends."""

    def __init__(self, conn: Connection, job: str, *, timeout_seconds: float) -> None:
        self._conn = conn
        self._job = job
        self._timeout_seconds = timeout_seconds
        self._session = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def if_free(
        cls, url: str, job: str, *, timeout_seconds: float
    ) -> AsyncIterator[Self | None]:
        """Yield the lock, or None where somebody else holds it. Raises MetadataUnavailable."""
        try:
            async with await connect(url, timeout_seconds=timeout_seconds) as conn:
                lock = cls(conn, job, timeout_seconds=timeout_seconds)
                yield lock if await lock._try() else None
        except UNAVAILABLE as error:
            raise MetadataUnavailable(str(error)) from error

    @classmethod
    @contextlib.asynccontextmanager
    async def waited_for(
        cls,
        url: str,
        job: str,
        *,
        wait_seconds: float,
        on_wait: Callable[[], None],
        timeout_seconds: float,
    ) -> AsyncIterator[Self]:
        """Yield the lock, as soon as nobody else holds it.

        on_wait: called once where somebody does.
        Raises JobBusy where the wait is too long, MetadataUnavailable.
        """
        try:
            async with await connect(url, timeout_seconds=timeout_seconds) as conn:
                lock = cls(conn, job, timeout_seconds=timeout_seconds)
                await lock._acquire(wait_seconds, on_wait)
                yield lock
        except UNAVAILABLE as error:
            raise MetadataUnavailable(str(error)) from error

    async def check(self) -> None:
        """Raise MetadataUnavailable unless the session that took the lock lives, and so holds it.

        The number is compared for a pooler's sake, which may hand us another session.
        """
        try:
            session = await self._ask(_SESSION)
        except UNAVAILABLE as error:
            raise MetadataUnavailable(
                f"the lock of the {self._job} was lost: PostgreSQL has ended its session"
            ) from error
        if session != self._session:
            raise MetadataUnavailable(f"the lock of the {self._job} was lost")

    async def _try(self) -> bool:
        self._session = int(await self._ask(_SESSION))
        return await try_lock(self._conn, self._job)

    async def _acquire(self, wait_seconds: float, on_wait: Callable[[], None]) -> None:
        await self._ask(_LIMITS, {"ms": str(max(1, int(wait_seconds * 1000)))})
        if await self._try():
            return
        on_wait()
        try:
            await self._ask(_WAIT, {"job": self._job}, wait_seconds=wait_seconds)
        except pg.LockNotAvailable:
            raise JobBusy(
                f"a {self._job} is at work, and did not end within {wait_seconds:g} seconds"
            ) from None

    async def _ask(
        self,
        question: LiteralString,
        values: Mapping[str, str] | None = None,
        *,
        wait_seconds: float = 0,
    ) -> Any:
        """Return the first value of the answer."""
        try:
            async with asyncio.timeout(wait_seconds + self._timeout_seconds):
                row = await (await self._conn.execute(question, values)).fetchone()
        except TimeoutError:
            raise MetadataUnavailable("PostgreSQL does not answer") from None
        return row[0] if row else None
