import asyncio
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from server.metadata import schema
from server.metadata.connection import connect
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.errors import SchemaMismatch

PROJECT = Path(__file__).parents[2]
PREPARE = """
import asyncio, sys
from server.metadata import schema
from server.metadata.connection import connect

async def main():
    async with await connect(sys.argv[1]) as conn:
        await schema.prepare(conn)

asyncio.run(main())
"""


@pytest.fixture
async def empty_url(database_url: str) -> str:
    """The URL of a database without a schema."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
    return database_url


async def prepare(url: str) -> None:
    async with await connect(url) as conn:
        await schema.prepare(conn)


async def test_an_empty_database_becomes_ours(empty_url: str) -> None:
    await prepare(empty_url)

    with psycopg.connect(empty_url) as conn:
        found = conn.execute("SELECT version FROM schema_version").fetchall()
    assert found == [(schema.SCHEMA_VERSION,)]


async def test_a_database_that_is_ours_is_left_as_it_is(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("UPDATE settings_revision SET revision = 7")

    await prepare(database_url)

    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT revision FROM settings_revision").fetchall() == [(7,)]


@pytest.mark.slow
async def test_many_processes_may_prepare_at_once(empty_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", PREPARE, empty_url, cwd=PROJECT)
        for _ in range(4)
    ]
    statuses = [await process.wait() for process in processes]

    assert statuses == [0] * 4


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        pytest.param(
            "UPDATE schema_version SET version = 999", "the database has schema 999", id="newer"
        ),
        pytest.param("DELETE FROM schema_version", "the database has schema None", id="none"),
    ],
)
async def test_another_version_of_the_schema_is_refused(
    database_url: str, spoil: str, complaint: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(spoil.encode())

    with pytest.raises(SchemaMismatch, match=complaint):
        await prepare(database_url)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("CREATE TABLE account (id int)", id="a table of a name that we need"),
        pytest.param("CREATE TABLE schema_version (at date)", id="another kind of version"),
    ],
)
async def test_a_database_of_another_program_is_refused_and_left_alone(
    empty_url: str, table: str
) -> None:
    with psycopg.connect(empty_url, autocommit=True) as conn:
        conn.execute(table.encode())

    with pytest.raises(SchemaMismatch, match="another program"):
        await prepare(empty_url)

    with psycopg.connect(empty_url) as conn:
        tables = conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == [(1,)]


async def test_a_database_that_is_not_utf8_is_refused(postgres_url: str) -> None:
    name = sql.Identifier("s3d_test_latin1")
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
        conn.execute(sql.SQL(create + " LOCALE_PROVIDER libc").format(name))
        try:
            given = psycopg.conninfo.make_conninfo(postgres_url, dbname="s3d_test_latin1")
            with pytest.raises(SchemaMismatch, match="LATIN1"):
                await prepare(given)
        finally:
            conn.execute(sql.SQL("DROP DATABASE {}").format(name))


async def test_a_session_that_commits_asynchronously_is_refused(database_url: str) -> None:
    url = psycopg.conninfo.make_conninfo(database_url, options="-c synchronous_commit=off")

    with pytest.raises(SchemaMismatch, match="synchronous_commit=off"):
        await prepare(url)


async def test_waiting_for_standbys_too_is_as_durable(database_url: str) -> None:
    await prepare(
        psycopg.conninfo.make_conninfo(database_url, options="-c synchronous_commit=remote_apply")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", ["fsync = off", "full_page_writes = off", "data_sync_retry = on"]
)
async def test_a_postgres_that_may_lose_what_it_committed_is_refused(
    tmp_path: Path, setting: str
) -> None:
    directory = tmp_path / "postgres"
    with EmbeddedPostgres(directory):
        pass
    (directory / "local.conf").write_text(setting + "\n")

    with EmbeddedPostgres(directory) as postgres:
        name = setting.partition(" ")[0]
        with pytest.raises(SchemaMismatch, match=f"PostgreSQL runs with {name}="):
            await prepare(postgres.url)
