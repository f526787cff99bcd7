"""Makes an empty database ours, migrates an older one, and refuses one that is not ours."""

from pathlib import Path
from typing import Final, LiteralString

from psycopg import errors as pg

from server.metadata import migrations
from server.metadata.connection import Connection
from server.metadata.errors import SchemaMismatch

SCHEMA_VERSION: Final = 3
OLDEST_POSTGRES: Final = 150000

# One number for "somebody prepares the schema"; advisory locks of one key are per database.
_PREPARE_LOCK: Final = 0x5333_0000

# What "synchronous COMMIT" rests on (D2); a server that was told otherwise would lie to us.
_DURABLE: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "data_sync_retry": "off",
}
# Stronger than "on", or waiting for standbys too: as durable here.
_DURABLE_TOO: Final = {"synchronous_commit": {"remote_write", "remote_apply"}}

_NOTHING: Final = "the database holds nothing of s3d: is it the right one?"

_IS_EMPTY: Final[LiteralString] = """
    SELECT NOT EXISTS (
        SELECT FROM pg_class c
         WHERE relnamespace = current_schema()::regnamespace
           AND NOT EXISTS (SELECT FROM pg_depend d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                              AND d.deptype = 'e'))
"""


async def prepare(conn: Connection, *, may_create: bool = True, takes_unsafe: bool = False) -> None:
    """Create the schema where there is none, migrate an older one; many processes may at once.

    takes_unsafe: a server that has durability turned off will do, for who only looks.
    Raises SchemaMismatch where the server is too old, is not UTF8, has durability turned off, or
    holds a newer version of the schema or the tables of another program; and where there is no
    schema, and none may be created.
    """
    await _check_server(conn, takes_unsafe=takes_unsafe)
    try:
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_PREPARE_LOCK])
            if not await _exists(conn):
                if not may_create:
                    raise SchemaMismatch(_NOTHING)
                await conn.execute(schema_sql())
            found = await _version(conn)
            if found is not None and 0 < found < SCHEMA_VERSION:
                await migrations.migrate(conn, found, wanted=SCHEMA_VERSION)
                found = SCHEMA_VERSION
    except (pg.DuplicateTable, pg.DuplicateFunction, pg.UndefinedColumn) as error:
        raise SchemaMismatch(f"the database belongs to another program: {error}") from error
    if found != SCHEMA_VERSION:
        raise _mismatch(found)


async def require(conn: Connection) -> None:
    """Raise SchemaMismatch unless the schema is there and can be used; creates nothing."""
    await _check_server(conn)
    if not await _exists(conn):
        raise SchemaMismatch(_NOTHING)
    found = await _version(conn)
    if found != SCHEMA_VERSION:
        raise _mismatch(found)


async def create(conn: Connection) -> None:
    """Create the schema in the caller's transaction, for rows that come from elsewhere.

    Raises SchemaMismatch where the server cannot be used or the database is not empty.
    """
    await _check_server(conn)
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_PREPARE_LOCK])
    if not await is_empty(conn):
        raise SchemaMismatch("the database is not empty")
    await conn.execute(schema_sql())


async def unsafe_settings(conn: Connection) -> list[str]:
    """Return what lets PostgreSQL lose a commit (D2), in words; nothing where it may not."""
    said = []
    for name, wanted in _DURABLE.items():
        found = await _show(conn, name)
        if found != wanted and found not in _DURABLE_TOO.get(name, ()):
            said.append(f"PostgreSQL runs with {name}={found}; {wanted} is needed")
    return said


async def is_empty(conn: Connection) -> bool:
    """Return whether the database holds no tables, nobody's; those of extensions do not count."""
    row = await (await conn.execute(_IS_EMPTY)).fetchone()
    return row is not None and bool(row[0])


def schema_sql() -> LiteralString:
    """Return the text of schema.sql: beside this module in a wheel, at the top of a checkout."""
    packaged = Path(__file__).with_name("schema.sql")
    source = packaged if packaged.exists() else Path(__file__).parents[2] / "schema.sql"
    return source.read_text(encoding="utf-8")


async def _exists(conn: Connection) -> bool:
    row = await (await conn.execute("SELECT to_regclass('schema_version') IS NOT NULL")).fetchone()
    return row is not None and bool(row[0])


def _mismatch(found: int | None) -> SchemaMismatch:
    return SchemaMismatch(f"the database has schema {found}; this server needs {SCHEMA_VERSION}")


async def _version(conn: Connection) -> int | None:
    row = await (await conn.execute("SELECT version FROM schema_version")).fetchone()
    return row[0] if row else None


async def _check_server(conn: Connection, *, takes_unsafe: bool = False) -> None:
    if conn.info.server_version < OLDEST_POSTGRES:
        raise SchemaMismatch("PostgreSQL 15 or later is needed")
    encoding = await _show(conn, "server_encoding")
    if encoding != "UTF8":
        raise SchemaMismatch(f"the database has encoding {encoding}; UTF8 is needed")
    if not takes_unsafe and (unsafe := await unsafe_settings(conn)):
        raise SchemaMismatch(unsafe[0])


async def _show(conn: Connection, name: str) -> str:
    row = await (await conn.execute("SELECT current_setting(%s)", [name])).fetchone()
    return str(row[0]) if row else ""
