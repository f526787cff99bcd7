"""The lock of a job, waited for and held for long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from server.metadata.connection import Connection
from server.metadata.errors import JobBusy, MetadataUnavailable
from server.metadata.job_locks import HeldLock, try_lock
from server.metadata.store import Metadata
from tests.metadata.rows import is_waiting

_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_WAITERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
SECONDS = 20


@contextlib.asynccontextmanager
async def held(
    url: str, *, wait_seconds: float = SECONDS, on_wait: Callable[[], None] = lambda: None
) -> AsyncIterator[HeldLock]:
    async with HeldLock.waited_for(
        url, "sweep", wait_seconds=wait_seconds, on_wait=on_wait, timeout_seconds=SECONDS
    ) as lock:
        yield lock


async def until_somebody_waits(conn: Connection) -> None:
    """Return once a session stands in the queue of a lock."""
    async with asyncio.timeout(SECONDS):
        while True:
            if await (await conn.execute(_WAITERS)).fetchone() == (1,):
                return
            await asyncio.sleep(0.01)


async def test_it_keeps_the_job_from_being_done_until_it_is_let_go(
    metadata: Metadata, database_url: str
) -> None:
    async with held(database_url) as lock:
        await lock.check()
        async with metadata.alone("sweep") as while_held, metadata.alone("other") as another:
            pass
    async with metadata.alone("sweep") as afterwards:
        pass

    assert [bool(lock) for lock in (while_held, another, afterwards)] == [False, True, True]


async def test_it_waits_for_the_job_to_end_and_says_so(
    metadata: Metadata, database_url: str
) -> None:
    waits = asyncio.Event()

    async def take() -> None:
        async with held(database_url, on_wait=waits.set):
            pass

    async with metadata.alone("sweep"):
        taking = asyncio.create_task(take())
        await asyncio.wait_for(waits.wait(), SECONDS)
        is_held_up = await is_waiting(taking)
    await taking

    assert is_held_up


async def test_it_is_given_up_after_the_limit(metadata: Metadata, database_url: str) -> None:
    async with metadata.alone("sweep"):
        with pytest.raises(JobBusy, match=r"did not end within 0\.3 seconds"):
            async with held(database_url, wait_seconds=0.3):
                pass


async def test_who_waits_goes_before_who_only_tries(
    metadata: Metadata, conn: Connection, other: Connection, database_url: str
) -> None:
    """A sweep that begins again every second must not keep a backup out."""
    assert await try_lock(conn, "sweep")
    got = asyncio.Event()
    done = asyncio.Event()

    async def take() -> None:
        async with held(database_url):
            got.set()
            await done.wait()

    taking = asyncio.create_task(take())
    await until_somebody_waits(other)
    await conn.close()
    tried = await try_lock(other, "sweep")
    await asyncio.wait_for(got.wait(), SECONDS)
    done.set()
    await taking

    assert not tried


async def test_a_session_that_ended_has_lost_it(conn: Connection, database_url: str) -> None:
    async with held(database_url) as lock:
        await conn.execute(_END_OTHERS)

        with pytest.raises(MetadataUnavailable, match="lock of the sweep was lost"):
            await lock.check()


async def test_another_session_behind_the_same_connection_has_not_got_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pooler would do it."""
    async with held(database_url) as lock:
        monkeypatch.setattr("server.metadata.job_locks._SESSION", "SELECT pg_backend_pid() + 1")

        with pytest.raises(MetadataUnavailable, match="lock of the sweep was lost"):
            await lock.check()


async def test_a_session_may_be_idle_for_as_long_as_its_owner_works_elsewhere(
    conn: Connection, database_url: str
) -> None:
    name = conn.info.dbname
    await conn.execute(f"ALTER DATABASE \"{name}\" SET idle_session_timeout = '100ms'".encode())

    async with held(database_url) as lock:
        await asyncio.sleep(0.5)
        await lock.check()


async def test_a_job_is_alone_for_as_long_as_it_works_elsewhere(
    conn: Connection, metadata: Metadata, database_url: str
) -> None:
    """Its session is idle meanwhile; ended, another node would do the job at the same time."""
    name = conn.info.dbname
    await conn.execute(f"ALTER DATABASE \"{name}\" SET idle_session_timeout = '100ms'".encode())

    async with metadata.alone("sweep") as first:
        await asyncio.sleep(0.5)
        async with metadata.alone("sweep") as second:
            pass

    assert first is not None
    assert second is None


async def test_a_job_that_was_alone_knows_when_it_is_not_any_more(
    conn: Connection, metadata: Metadata
) -> None:
    async with metadata.alone("sweep") as lock:
        assert lock is not None
        await lock.check()
        await conn.execute(_END_OTHERS)

        with pytest.raises(MetadataUnavailable, match="lock of the sweep was lost"):
            await lock.check()
