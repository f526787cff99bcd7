"""An outage of PostgreSQL, as the metadata of one worker see it."""

import asyncio
import time

import psycopg
import pytest
from psycopg import sql

from server.metadata import outage
from server.metadata.connection import Connection, connect
from server.metadata.errors import MetadataUnavailable
from server.metadata.outage import is_dead
from server.metadata.store import Metadata
from tests.metadata.wire import GIVE_UP_SECONDS, Wire, is_answered, until_answered


@pytest.fixture
def metadata(behind_wire: Metadata) -> Metadata:
    return behind_wire


async def until_refused(metadata: Metadata) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while await is_answered(metadata):
            pass


async def test_a_question_that_is_never_answered_is_given_up_long_before_its_own_limit(
    metadata: Metadata, wire: Wire
) -> None:
    wire.fall_silent()

    await until_refused(metadata)


async def test_a_borrowed_connection_that_falls_silent_is_given_up_too(
    metadata: Metadata, wire: Wire
) -> None:
    async def ask() -> None:
        async with metadata.connection() as conn:
            wire.fall_silent()
            await conn.execute("SELECT 1")

    async with asyncio.timeout(GIVE_UP_SECONDS):
        with pytest.raises(MetadataUnavailable):
            await ask()


async def test_a_borrowed_connection_that_falls_silent_alone_is_given_up_too(
    metadata: Metadata, wire: Wire
) -> None:
    metadata._timeout_seconds = 1.0

    async def ask() -> None:
        async with metadata.connection() as conn:
            wire.fall_silent()
            wire.let_new_ones_speak()
            await conn.execute("SELECT 1")

    async with asyncio.timeout(GIVE_UP_SECONDS):
        with pytest.raises(MetadataUnavailable):
            await ask()

    assert not metadata._outage.is_on


async def test_nothing_is_asked_during_an_outage(metadata: Metadata, wire: Wire) -> None:
    wire.fall_silent()
    await until_refused(metadata)

    with pytest.raises(MetadataUnavailable, match="PostgreSQL is away"):
        await metadata.settings.refresh()
    with pytest.raises(MetadataUnavailable, match="PostgreSQL is away"):
        async with metadata.connection():
            pass


async def test_service_goes_on_when_postgresql_is_back(metadata: Metadata, wire: Wire) -> None:
    wire.fall_silent()
    await until_refused(metadata)

    wire.speak()

    await until_answered(metadata)
    async with metadata.connection() as conn:
        assert await (await conn.execute("SELECT 1")).fetchone() == (1,)


async def test_a_statement_that_only_takes_long_is_no_outage(metadata: Metadata) -> None:
    async with metadata.connection() as conn:
        asked = asyncio.create_task(conn.execute("SELECT pg_sleep(2)"))
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            await metadata.settings.refresh()

        assert (await asked).rowcount == 1


async def test_a_scan_may_take_longer_than_a_statement_of_a_request(database_url: str) -> None:
    async with (
        Metadata.opened(database_url, connections=1, timeout_seconds=0.5) as metadata,
        metadata.long_transaction() as conn,
    ):
        asked = await conn.execute("SELECT pg_sleep(2.5)")

    assert asked.rowcount == 1


async def test_a_connection_whose_holder_is_at_something_else_is_kept(database_url: str) -> None:
    async with (
        Metadata.opened(database_url, connections=1, timeout_seconds=0.5) as metadata,
        metadata.connection() as conn,
    ):
        await conn.execute("SELECT pg_sleep(0.3)")
        await asyncio.sleep(2.5)
        await conn.execute("SELECT pg_sleep(0.3)")


async def test_nothing_is_probed_beside_a_scan_that_only_takes_long(
    metadata: Metadata, wire: Wire
) -> None:
    await metadata._pool.wait()
    async with metadata.long_transaction() as conn:
        before = len(wire.writers)
        await conn.execute("SELECT pg_sleep(1.5)")

    assert len(wire.writers) == before


async def test_a_scan_goes_on_for_as_long_as_probes_are_answered(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "SCAN_SILENT_SECONDS", 0.3)
    monkeypatch.setattr(outage, "SCAN_LOST_SECONDS", 0.5)

    async with metadata.long_transaction() as conn:
        asked = await conn.execute("SELECT pg_sleep(2)")

    assert asked.rowcount == 1


async def test_a_scan_outlives_a_probe_that_is_not_answered(
    metadata: Metadata, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "SCAN_SILENT_SECONDS", 0.3)
    async with metadata.long_transaction() as conn:
        wire.fall_silent()
        asked = asyncio.create_task(conn.execute("SELECT 1"))
        await asyncio.sleep(2.5)
        wire.speak()

        assert (await asked).rowcount == 1


async def test_a_scan_is_given_up_where_no_probe_is_answered_for_long(
    metadata: Metadata, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "SCAN_SILENT_SECONDS", 0.3)
    monkeypatch.setattr(outage, "SCAN_LOST_SECONDS", 1.0)

    async def scan() -> None:
        async with metadata.long_transaction() as conn:
            wire.fall_silent()
            await conn.execute("SELECT 1")

    async with asyncio.timeout(GIVE_UP_SECONDS):
        with pytest.raises(MetadataUnavailable):
            await scan()


async def test_a_postgresql_that_takes_no_more_connections_is_not_away(
    metadata: Metadata, database_url: str
) -> None:
    async with metadata.connection() as conn:
        await refuse_connections(database_url)

        assert await metadata._outage._answers()
        assert await (await conn.execute("SELECT 1")).fetchone() == (1,)


async def refuse_connections(database_url: str) -> None:
    where = psycopg.conninfo.conninfo_to_dict(database_url)
    admin = psycopg.conninfo.make_conninfo(database_url, dbname="postgres")
    database = sql.Identifier(str(where["dbname"]))
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))


async def test_an_idle_connection_that_lives_is_not_dead(conn: Connection) -> None:
    await conn.execute("SELECT 1")

    assert not is_dead(conn)


async def test_an_idle_connection_that_postgresql_ended_is_dead(
    conn: Connection, database_url: str
) -> None:
    async with await connect(database_url) as other:
        await other.execute("SELECT pg_terminate_backend(%s, 5000)", [conn.info.backend_pid])

    assert is_dead(conn)
    assert not conn.closed
