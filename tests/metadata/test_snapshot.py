"""Rows out of one moment of a database, and into an empty one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from server.metadata import access_keys, accounts, object_versions, snapshot
from server.metadata.connection import Connection
from server.metadata.errors import MetadataError, MetadataUnavailable, SchemaMismatch
from server.model.blob import Slice
from server.model.bucket import Secret
from server.model.names import AccessKeyId, BlobDigest, ObjectKey
from tests.metadata.rows import blob, complete, content, new_bucket, new_upload, put_blob, put_part

SECONDS = 20
AWKWARD = "tab\tnewline\nreturn\rbackslash\\N\\.quote'ü\x01"
_TABLES = """
    SELECT relname FROM pg_class
     WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""
_DELETE_UNNAMED = """
    DELETE FROM blob b
     WHERE NOT EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
       AND NOT EXISTS (SELECT FROM slice s WHERE s.digest = b.digest)
"""


async def fill(conn: Connection) -> None:
    """Put rows into every table that is copied."""
    home = await new_bucket(conn)
    account = await accounts.find(conn, "bucket")
    assert account is not None
    await access_keys.create(conn, account, AccessKeyId("KEY"), Secret("secret/+"))
    await object_versions.put(conn, home.id, ObjectKey(AWKWARD), content(AWKWARD.encode()))
    await put_blob(conn, home, "blob", blob("one", 3 << 20))
    for number in (1, 2):
        upload = await new_upload(conn, home, key=f"parts-{number}", upload_id=f"upload-{number}")
        await put_part(conn, upload, 1, [Slice(blob("two"), 0, 2), Slice(blob("three"), 1, 3)])
        await put_part(conn, upload, 2, [Slice(blob("four"), 0, 5)])
    await complete(conn, home, upload, 10)
    await put_blob(conn, home, "blob", blob("five"))
    await object_versions.delete_current(conn, home.id, ObjectKey("parts-2"))


def rows_of(url: str) -> Mapping[str, list[Any]]:
    """Return all rows of all tables, but of those that are left out, and blobs with a name."""
    with psycopg.connect(url) as conn:
        conn.execute(_DELETE_UNNAMED)
        names = {row[0] for row in conn.execute(_TABLES)} - snapshot.LEFT_OUT
        return {
            name: sorted(conn.execute(f"SELECT t::text FROM {name} t".encode()).fetchall())
            for name in names
        }


async def copy(source: str, target: str) -> None:
    """Copy everything from one database to another."""
    copied: dict[str, tuple[Any, list[bytes]]] = {}
    async with snapshot.one_moment(source, timeout_seconds=SECONDS) as conn:
        for table in snapshot.TABLES:
            pieces: list[bytes] = []
            columns = await snapshot.columns_of(conn, table)
            await snapshot.copy_out(conn, table, columns, pieces.append, timeout_seconds=SECONDS)
            copied[table] = columns, pieces
        last = await snapshot.sequences(conn)
    async with snapshot.into_empty(target, timeout_seconds=SECONDS) as conn:
        for table, (columns, pieces) in copied.items():
            await snapshot.copy_in(
                conn, table, columns, pieces, lambda _: None, timeout_seconds=SECONDS
            )
        await snapshot.set_sequences(conn, last)


async def blobs_in(url: str) -> list[tuple[BlobDigest, int]]:
    lines: list[bytes] = []
    async with snapshot.one_moment(url, timeout_seconds=SECONDS) as conn:
        columns = await snapshot.columns_of(conn, "blob")
        await snapshot.copy_out(conn, "blob", columns, lines.append, timeout_seconds=SECONDS)
    return [snapshot.blob_in(line, columns) for line in b"".join(lines).splitlines()]


def test_every_table_of_the_schema_is_copied_or_left_out_on_purpose(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        tables = {row[0] for row in conn.execute(_TABLES)}

    assert set(snapshot.TABLES) | snapshot.LEFT_OUT == tables
    assert not set(snapshot.TABLES) & snapshot.LEFT_OUT


async def test_every_row_of_every_table_arrives_with_all_its_columns(
    conn: Connection, database_url: str, empty_database_url: str
) -> None:
    await fill(conn)

    await copy(database_url, empty_database_url)

    arrived = rows_of(empty_database_url)
    assert arrived == rows_of(database_url)
    assert [table for table, rows in arrived.items() if not rows] == []


async def test_a_column_that_is_new_is_copied(conn: Connection) -> None:
    await conn.execute("ALTER TABLE bucket ADD COLUMN later text, DROP COLUMN region")

    columns = await snapshot.columns_of(conn, "bucket")

    assert columns == ["id", "name", "account_id", "versioning", "created", "later"]


async def test_values_are_spelled_alike_whatever_the_database_prefers(
    conn: Connection, database_url: str, empty_database_url: str
) -> None:
    await fill(conn)
    name = conn.info.dbname
    for setting in ("bytea_output = escape", "datestyle = 'German'", "client_encoding = latin1"):
        await conn.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())

    await copy(database_url, empty_database_url)

    for setting in ("bytea_output", "datestyle", "client_encoding"):
        await conn.execute(f'ALTER DATABASE "{name}" RESET {setting}'.encode())
    assert rows_of(empty_database_url) == rows_of(database_url)


async def test_all_tables_are_of_one_moment(conn: Connection, database_url: str) -> None:
    home = await new_bucket(conn)
    seen: list[bytes] = []
    async with snapshot.one_moment(database_url, timeout_seconds=SECONDS) as frozen:
        await object_versions.put(conn, home.id, ObjectKey("later"), content(b"later"))

        await snapshot.copy_out(
            frozen, "object_version", ["key"], seen.append, timeout_seconds=SECONDS
        )

    assert b"".join(seen) == b""


async def test_pieces_are_of_whole_lines(
    conn: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.metadata.snapshot._PIECE_BYTES", 100)
    await conn.execute("INSERT INTO manifest SELECT FROM generate_series(1, 200)")
    pieces: list[bytes] = []

    async with snapshot.one_moment(database_url, timeout_seconds=SECONDS) as frozen:
        await snapshot.copy_out(frozen, "manifest", ["id"], pieces.append, timeout_seconds=SECONDS)

    assert b"".join(pieces) == b"".join(b"%d\n" % number for number in range(1, 201))
    assert {piece[-1:] for piece in pieces if piece} == {b"\n"}
    assert max(map(len, pieces)) < 110


async def test_numbers_of_rows_that_are_gone_are_not_given_out_again(
    conn: Connection, database_url: str, empty_database_url: str
) -> None:
    await conn.execute("INSERT INTO manifest SELECT FROM generate_series(1, 5)")
    await conn.execute("DELETE FROM manifest WHERE id > 3")

    await copy(database_url, empty_database_url)

    with psycopg.connect(empty_database_url) as target:
        row = target.execute("INSERT INTO manifest DEFAULT VALUES RETURNING id").fetchone()
    assert row == (6,)


async def test_blobs_come_by_digest_and_those_that_nothing_names_do_not(
    conn: Connection, database_url: str
) -> None:
    home = await new_bucket(conn)
    kept = [blob(str(number), number) for number in range(20)]
    for each in kept:
        await put_blob(conn, home, f"key-{each.size}", each)
    trashed = blob("trashed")
    for unnamed in (trashed, blob("released")):
        await put_blob(conn, home, "unnamed", unnamed)
        await object_versions.delete_current(conn, home.id, ObjectKey("unnamed"))
    await conn.execute("UPDATE blob SET trashed = now() WHERE digest = %s", [trashed.digest])

    found = await blobs_in(database_url)

    assert found == sorted((each.digest, each.size) for each in kept)


async def test_a_blob_that_is_named_comes_even_if_it_is_said_to_be_in_the_trash(
    conn: Connection, database_url: str
) -> None:
    """Without its row no foreign key would hold. The sweep of the restored server puts it right."""
    home = await new_bucket(conn)
    await put_blob(conn, home, "key", blob("one"))
    await conn.execute("UPDATE blob SET trashed = now()")

    assert await blobs_in(database_url) == [(blob("one").digest, 5)]


async def test_a_database_that_is_not_ours_is_refused_and_left_as_it_is(
    empty_database_url: str,
) -> None:
    with pytest.raises(SchemaMismatch, match="holds nothing of s3d"):
        async with snapshot.one_moment(empty_database_url, timeout_seconds=SECONDS):
            pass

    assert await snapshot.is_empty(empty_database_url, timeout_seconds=SECONDS)


async def test_rows_go_into_an_empty_database_alone(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as conn:
        conn.execute("CREATE TABLE somebodys (id int)")

    with pytest.raises(SchemaMismatch, match="not empty"):
        async with snapshot.into_empty(empty_database_url, timeout_seconds=SECONDS):
            pass

    assert not await snapshot.is_empty(empty_database_url, timeout_seconds=SECONDS)


async def test_what_fails_leaves_the_database_empty(empty_database_url: str) -> None:
    pieces = [b"1\n", b"1\n"]

    with pytest.raises(MetadataError, match="does not take it"):
        async with snapshot.into_empty(empty_database_url, timeout_seconds=SECONDS) as conn:
            await snapshot.copy_in(
                conn, "manifest", ["id"], pieces, lambda _: None, timeout_seconds=SECONDS
            )

    assert await snapshot.is_empty(empty_database_url, timeout_seconds=SECONDS)


async def test_a_table_that_somebody_holds_is_waited_for_within_the_limit(
    conn: Connection, database_url: str
) -> None:
    async with conn.transaction():
        await conn.execute("LOCK TABLE bucket")
        with pytest.raises(MetadataUnavailable, match="does not go on with the table bucket"):
            async with snapshot.one_moment(database_url, timeout_seconds=SECONDS) as frozen:
                await snapshot.copy_out(
                    frozen, "bucket", ["id"], lambda _: None, timeout_seconds=0.5
                )


async def test_rows_that_somebody_holds_up_are_waited_for_within_the_limit(
    conn: Connection, other: Connection
) -> None:
    async with conn.transaction():
        await conn.execute("LOCK TABLE manifest")
        with pytest.raises(MetadataUnavailable, match="does not go on with the table manifest"):
            await snapshot.copy_in(
                other, "manifest", ["id"], [b"1\n"], lambda _: None, timeout_seconds=0.5
            )


async def test_a_look_at_a_table_that_somebody_holds_is_waited_for_within_the_limit(
    conn: Connection, database_url: str
) -> None:
    async with conn.transaction():
        await conn.execute("LOCK TABLE slice")
        with pytest.raises(MetadataUnavailable, match="does not go on with the table slice"):
            await snapshot.analyze(database_url, timeout_seconds=0.5)


async def test_a_limit_of_the_database_for_transactions_does_not_end_the_moment(
    conn: Connection, database_url: str
) -> None:
    if conn.info.server_version < 170000:
        pytest.skip("NOT RUN: this PostgreSQL has no transaction_timeout")
    name = conn.info.dbname
    await conn.execute(f"ALTER DATABASE \"{name}\" SET transaction_timeout = '500ms'".encode())

    async with snapshot.one_moment(database_url, timeout_seconds=SECONDS) as frozen:
        await frozen.execute("SELECT pg_sleep(1.2)")
        columns = await snapshot.columns_of(frozen, "bucket")

    assert "id" in columns


async def test_a_disk_that_is_slow_does_not_end_the_moment(
    conn: Connection, database_url: str
) -> None:
    """The file of a table is fsynced before the next one is asked for."""
    await new_bucket(conn)
    rows: list[bytes] = []

    async with snapshot.one_moment(database_url, timeout_seconds=0.3) as frozen:
        await asyncio.sleep(0.8)
        await snapshot.copy_out(frozen, "bucket", ["name"], rows.append, timeout_seconds=SECONDS)

    assert b"".join(rows) == b"bucket\n"
