"""What a session relies on, whatever the role or the database says, and how its end is told."""

import asyncio
import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from server.metadata.batch import Batch
from server.metadata.connection import Connection, connect
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.errors import MetadataUnavailable
from server.metadata.store import Metadata


@pytest.fixture
def careless_database_url(database_url: str) -> str:
    """A database whose owner has chosen defaults that the server must not run with."""
    database = sql.Identifier(urlsplit(database_url).path[1:])
    with contextlib.closing(psycopg.connect(database_url, autocommit=True)) as conn:
        for choice in (
            "SET synchronous_commit = off",
            "SET default_transaction_isolation = 'repeatable read'",
        ):
            conn.execute(sql.SQL("ALTER DATABASE {} ").format(database) + sql.SQL(choice))
    return database_url


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param("synchronous_commit", "on", id="commits are durable: D2"),
        pytest.param("transaction_isolation", "read committed", id="settings_hold sees the latest"),
    ],
)
async def test_a_session_is_ours_whatever_the_database_says(
    careless_database_url: str, setting: str, value: str
) -> None:
    async with await connect(careless_database_url) as conn:
        alone = await _current(conn, setting)
    async with (
        Metadata.opened(careless_database_url, connections=1, timeout_seconds=10) as metadata,
        metadata.connection() as conn,
    ):
        pooled = await _current(conn, setting)

    assert (alone, pooled) == (value, value)


@pytest.mark.parametrize(
    ("asked", "limit"),
    [pytest.param("", "30000", id="ours"), pytest.param("5000", "5000", id="the URL's own")],
)
async def test_a_connection_whose_other_end_falls_silent_is_ended(
    database_url: str, asked: str, limit: str
) -> None:
    own = {"tcp_user_timeout": asked} if asked else {}
    async with await connect(psycopg.conninfo.make_conninfo(database_url, **own)) as conn:
        limits = conn.info.get_parameters()

    assert limits["tcp_user_timeout"] == limit
    assert int(limits["keepalives_idle"]) + 3 * int(limits["keepalives_interval"]) <= 30


async def _current(conn: Connection, setting: str) -> str:
    row = await (await conn.execute("SELECT current_setting(%s)", [setting])).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def impatient_database_url(database_url: str) -> Iterator[str]:
    """A database that ends a session which leaves a transaction open for 100 ms.

    Ours asks for the same after the timeout of a statement: a disk may take longer for its fsyncs.
    """
    parameter = "-c idle_in_transaction_session_timeout=100"
    with pytest.MonkeyPatch.context() as patch:
        session = "server.metadata.connection._SESSION"
        patch.setattr(session, parameter)
        yield database_url


async def test_a_transaction_that_postgresql_ended_is_unavailability_not_a_defect(
    impatient_database_url: str,
) -> None:
    """A sweep or a PutObject whose fsyncs take long must not end in what nobody expects."""
    async with Metadata.opened(
        impatient_database_url, connections=1, timeout_seconds=10
    ) as metadata:
        with pytest.raises(MetadataUnavailable):
            await _dawdle(metadata)


async def _dawdle(metadata: Metadata) -> None:
    async with metadata.transaction() as conn:
        await conn.execute("SELECT 1")
        await asyncio.sleep(0.5)


async def test_a_batch_whose_transaction_postgresql_ended_is_not_asked_again(
    impatient_database_url: str,
) -> None:
    asked = 0

    async def answer(conn: Connection, questions: object) -> list[int]:
        nonlocal asked
        asked += 1
        async with conn.transaction():
            await conn.execute("SELECT 1")
            await asyncio.sleep(0.5)
        return [1]

    batch: Batch[int, int] = Batch(
        answer,
        lambda: connect(impatient_database_url),
        lanes=1,
        largest=1,
        waiting=1,
        repeatable=False,
        timeout_seconds=10,
    )

    with pytest.raises(MetadataUnavailable):
        await batch.ask(1)

    await batch.close()
    assert asked == 1


@pytest.mark.slow
async def test_the_pool_is_back_soon_after_postgresql_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Waiting twice as long after each failure, it would try after 1, 3, 7, 15 and 31 seconds."""
    directory = tmp_path_factory.mktemp("outage")
    loop = asyncio.get_running_loop()
    postgres = EmbeddedPostgres(directory)
    await asyncio.to_thread(postgres.__enter__)
    async with Metadata.opened(postgres.url, connections=1, timeout_seconds=1) as metadata:
        assert await _answers(metadata)
        await asyncio.to_thread(postgres.__exit__, None, None, None)
        until = loop.time() + 8
        while loop.time() < until:
            assert not await _answers(metadata)
        await asyncio.to_thread(postgres.__enter__)

        back = loop.time()
        while not await _answers(metadata):
            pass
        took = loop.time() - back

    await asyncio.to_thread(postgres.__exit__, None, None, None)
    assert took < 4


async def _answers(metadata: Metadata) -> bool:
    try:
        async with metadata.connection() as conn:
            await conn.execute("SELECT 1")
    except MetadataUnavailable:
        await asyncio.sleep(0.1)
        return False
    return True
