"""A database that an older server made is migrated; schema_1.sql is what that one made."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.metadata import schema
from server.metadata.connection import connect
from server.metadata.errors import SchemaMismatch
from server.rules.checksums import BodyDigests
from tests.blobs.bodies import digest_of, random_bytes
from tests.fix_s3 import client_of
from tests.fix_server import running_server

SCHEMA_1 = Path(__file__).with_name("schema_1.sql").read_text()
DIGEST = bytes(range(32))

# Every table, column, index, constraint, trigger and function, as PostgreSQL describes it.
LAYOUT = """
    SELECT 'column', table_name || '.' || column_name,
           concat_ws(' ', ordinal_position, data_type, collation_name, is_nullable, column_default)
      FROM information_schema.columns WHERE table_schema = 'public'
     UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
     UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL
    SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL
    SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
     ORDER BY 1, 2, 3
"""


@pytest.fixture
def old_url(database_url: str) -> str:
    """The URL of a database that a server of schema 1 made, with a blob in it."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
        conn.execute(SCHEMA_1.encode())
        conn.execute("INSERT INTO blob VALUES (%s, 5, %s, NULL)", [DIGEST, b"\0" * 8])
    return database_url


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(query.encode()).fetchall()


async def prepare(url: str) -> None:
    async with await connect(url) as conn:
        await schema.prepare(conn)


async def test_a_migrated_database_has_the_layout_of_a_new_one(old_url: str) -> None:
    await prepare(old_url)
    migrated = rows(old_url, LAYOUT)

    with psycopg.connect(old_url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
    await prepare(old_url)
    assert migrated == rows(old_url, LAYOUT)


async def test_a_migration_keeps_the_rows_and_notes_the_version(old_url: str) -> None:
    await prepare(old_url)

    assert rows(old_url, "SELECT version FROM schema_version") == [(schema.SCHEMA_VERSION,)]
    assert rows(old_url, "SELECT digest, size, trashed, seen_whole, rotten FROM blob") == [
        (DIGEST, 5, None, None, None)
    ]


async def test_a_migration_that_fails_changes_nothing(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(old_url, LAYOUT)
    steps = {1: "ALTER TABLE blob ADD COLUMN seen_whole timestamptz; SELECT 1 / 0"}
    monkeypatch.setattr("server.metadata.migrations._STEPS", steps)

    with pytest.raises(psycopg.errors.DivisionByZero):
        await prepare(old_url)

    assert rows(old_url, LAYOUT) == before
    assert rows(old_url, "SELECT version FROM schema_version") == [(1,)]


async def test_many_may_migrate_at_once(old_url: str) -> None:
    await asyncio.gather(*(prepare(old_url) for _ in range(8)))

    assert rows(old_url, "SELECT version FROM schema_version") == [(schema.SCHEMA_VERSION,)]


async def test_a_version_before_the_first_is_refused(old_url: str) -> None:
    with psycopg.connect(old_url, autocommit=True) as conn:
        conn.execute("UPDATE schema_version SET version = 0")

    with pytest.raises(SchemaMismatch, match="the database has schema 0"):
        await prepare(old_url)


# What a server of schema 1 wrote for the account of the tests' keys.
ROWS = """
    WITH owner AS (
        INSERT INTO account (canonical_id, name, is_root) VALUES (repeat('a', 64), 'root', true)
        RETURNING id
    ), home AS (
        INSERT INTO bucket (name, account_id, region) SELECT 'old', id, 'us-east-1' FROM owner
        RETURNING id
    ), stored AS (
        INSERT INTO blob (digest, size, block_crcs)
        VALUES (%(digest)s, %(size)s, %(block_crcs)s)
        RETURNING digest
    )
    INSERT INTO object_version
           (bucket_id, key, size, etag, storage_class, headers, user_metadata, body, digest)
    SELECT home.id, 'small', 5, 'etag', 'STANDARD', '{}'::jsonb, '{}'::jsonb, 'small'::bytea, NULL
      FROM home
     UNION ALL
    SELECT home.id, 'large', %(size)s, 'etag', 'STANDARD', '{}', '{}', NULL, digest
      FROM home, stored
"""


@pytest.mark.slow
async def test_a_server_serves_what_an_older_one_stored(old_url: str, tmp_path: Path) -> None:
    large = random_bytes(50_000)
    digests = BodyDigests(None, blocks=True)
    digests.update(large)
    values = {"digest": digests.sha256, "size": len(large), "block_crcs": digests.block_crcs}
    with psycopg.connect(old_url) as conn:
        conn.execute("DELETE FROM blob")
        conn.execute(ROWS.encode(), values)
    (tmp_path / "data").mkdir()
    layout = open_layout(tmp_path / "data" / "blobs", ReadOnlyFlag())
    layout.blob(digest_of(large)).write_bytes(large)

    with running_server(tmp_path, database_url=old_url) as server:
        s3 = client_of(server)
        assert (await s3.get("/old/small")).body == b"small"
        assert (await s3.get("/old/large")).body == large
        assert (await s3.put("/old/new", body=large)).status == 200
