"""All rows of the server: out of one moment of a database, and into an empty one.

Rows travel in the text format of COPY: a line a row, fields apart by tabs, columns named beside
it. Any PostgreSQL reads what any other wrote.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final, LiteralString

from psycopg import IsolationLevel, sql

from server.metadata import schema
from server.metadata.connection import Connection, connected, unhurried
from server.metadata.errors import MetadataUnavailable, SchemaMismatch
from server.model.names import BlobDigest

# What is copied, in an order in which every foreign key holds.
TABLES: Final = (
    "account",
    "access_key",
    "bucket",
    "blob",
    "manifest",
    "part",
    "slice",
    "object_version",
    "multipart_upload",
    "released_blob",
    "released_manifest",
)
# schema.sql fills the first three; that a job is due too early harms nobody.
LEFT_OUT: Final = frozenset({"schema_version", "settings_revision", "blob_directory", "job_run"})

# Rows are handed on in pieces of about this size.
_PIECE_BYTES: Final = 1 << 20

# One spelling of every value, whatever the role or the database prefers.
_SESSION: Final[LiteralString] = """
    SELECT set_config('client_encoding', 'UTF8', true),
           set_config('bytea_output', 'hex', true),
           set_config('datestyle', 'ISO, YMD', true),
           set_config('timezone', 'UTC', true)
"""

_COLUMNS: Final[LiteralString] = """
    SELECT attname
      FROM pg_attribute
     WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
     ORDER BY attnum
"""

_COPY_OUT: Final[LiteralString] = "COPY {table} ({columns}) TO STDOUT"

# What nothing names is swept, from its place or from trash/, and no other table needs it: nobody
# asks whether it is whole. Sorted, so that files are copied one directory after the other.
_COPY_BLOBS_OUT: Final[LiteralString] = """
    COPY (SELECT {columns}
            FROM {table} b
           WHERE EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
              OR EXISTS (SELECT FROM slice s WHERE s.digest = b.digest)
           ORDER BY digest)
      TO STDOUT
"""

_COPY_IN: Final[LiteralString] = "COPY {table} ({columns}) FROM STDIN"

_SEQUENCES: Final[LiteralString] = """
    SELECT c.relname, a.attname,
           coalesce(pg_sequence_last_value(
               pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)::regclass), 0)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = current_schema()::regnamespace
       AND c.relname = ANY(%(tables)s) AND a.attidentity <> ''
"""

_SET_SEQUENCE: Final[LiteralString] = """
    SELECT setval(pg_get_serial_sequence(%(table)s, %(column)s), %(last)s)
"""

# What a table that numbers its rows has as its highest number.
_HIGHEST: Final[LiteralString] = "SELECT coalesce(max({column}), 0) FROM {table}"

_SET_REVISION: Final[LiteralString] = "UPDATE settings_revision SET revision = %(revision)s"


@contextlib.asynccontextmanager
async def one_moment(url: str, *, timeout_seconds: float) -> AsyncIterator[Connection]:
    """Yield a connection in a transaction that sees one moment of the database and only reads.

    Raises MetadataUnavailable, SchemaMismatch.
    """
    async with connected(url, timeout_seconds=timeout_seconds) as conn:
        await schema.require(conn)
        await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await conn.set_read_only(True)
        async with conn.transaction():
            await _begin(conn)
            yield conn


@contextlib.asynccontextmanager
async def into_empty(url: str, *, timeout_seconds: float) -> AsyncIterator[Connection]:
    """Yield a connection in a transaction that has made the schema in an empty database.

    It commits at the end: whoever looks meanwhile finds the database empty. Raises
    MetadataUnavailable, SchemaMismatch where it is not empty, MetadataError for rows that do not
    fit.
    """
    async with connected(url, timeout_seconds=timeout_seconds) as conn, conn.transaction():
        await schema.create(conn)
        await _begin(conn)
        yield conn


async def is_empty(url: str, *, timeout_seconds: float) -> bool:
    """Return whether the database holds no tables. Raises MetadataUnavailable."""
    async with connected(url, timeout_seconds=timeout_seconds) as conn:
        return await schema.is_empty(conn)


async def columns_of(conn: Connection, table: str) -> Sequence[str]:
    """Return the names of the columns that hold something of their own, in their order."""
    cursor = await conn.execute(_COLUMNS, {"table": table})
    return [row[0] for row in await cursor.fetchall()]


async def copy_out(
    conn: Connection,
    table: str,
    columns: Sequence[str],
    write: Callable[[bytes], object],
    *,
    timeout_seconds: float,
) -> None:
    """Hand all rows of the table to `write`, in pieces of whole lines; blobs by digest.

    timeout_seconds: how long PostgreSQL may be silent. Raises MetadataUnavailable.
    """
    query = _filled(_COPY_BLOBS_OUT if table == "blob" else _COPY_OUT, table, columns)
    loop = asyncio.get_running_loop()
    piece = bytearray()
    async with (
        _silence(table, timeout_seconds) as limit,
        conn.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        async for row in copy:
            piece += row
            if len(piece) >= _PIECE_BYTES:
                write(bytes(piece))
                piece.clear()
                limit.reschedule(loop.time() + timeout_seconds)
    write(bytes(piece))


async def copy_in(
    conn: Connection,
    table: str,
    columns: Sequence[str],
    pieces: Iterable[bytes],
    advance: Callable[[int], None],
    *,
    timeout_seconds: float,
) -> None:
    """Insert the rows of these pieces of whole lines; `advance` is told the bytes of each.

    Each piece is a statement of its own: the foreign keys of a statement's rows are checked at its
    end, and until then PostgreSQL keeps a note of each row in memory.

    timeout_seconds: how long PostgreSQL may take for a piece. Raises MetadataUnavailable.
    """
    query = _filled(_COPY_IN, table, columns)
    async with conn.cursor() as cursor:
        for piece in pieces:
            async with _silence(table, timeout_seconds), cursor.copy(query) as copy:
                await copy.write(piece)
            advance(len(piece))


async def sequences(conn: Connection) -> Mapping[str, int]:
    """Return the last number given out for each "table.column" that numbers its rows.

    Numbers of rows that are gone count: what once named one of them must not name another.
    """
    return {f"{table}.{column}": last for table, column, last in await _numbering(conn) if last}


async def set_sequences(conn: Connection, last: Mapping[str, int]) -> None:
    """Let numbering go on after the numbers that sequences() returned."""
    for name, number in last.items():
        table, column = name.split(".")
        await conn.execute(_SET_SEQUENCE, {"table": table, "column": column, "last": number})


async def require_new_numbers(conn: Connection) -> None:
    """Raise SchemaMismatch where a number would be given out that a row has already."""
    for table, column, last in await _numbering(conn):
        query = sql.SQL(_HIGHEST).format(table=sql.Identifier(table), column=sql.Identifier(column))
        row = await (await conn.execute(query)).fetchone()
        if row is not None and row[0] > last:
            raise SchemaMismatch(
                f"{table}.{column} goes up to {row[0]}, and new numbers would begin after {last}"
            )


async def _numbering(conn: Connection) -> Sequence[tuple[str, str, int]]:
    """Return table, column, and the last number given out, 0 for none."""
    return await (await conn.execute(_SEQUENCES, {"tables": list(TABLES)})).fetchall()


async def set_revision(conn: Connection, revision: int) -> None:
    """Make this the settings revision."""
    await conn.execute(_SET_REVISION, {"revision": revision})


async def analyze(url: str, *, timeout_seconds: float) -> None:
    """Let PostgreSQL learn what its new tables are like before the first query is planned.

    timeout_seconds: how long it may take for a table. Raises MetadataUnavailable.
    """
    async with connected(url, timeout_seconds=timeout_seconds) as conn:
        await conn.execute("SET statement_timeout = 0")
        for table in TABLES:
            async with _silence(table, timeout_seconds):
                await conn.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def blob_in(row: bytes, columns: Sequence[str]) -> tuple[BlobDigest, int]:
    """Return digest and size from a line of the table blob."""
    fields = dict(zip(columns, row.rstrip(b"\n").split(b"\t"), strict=True))
    # A backslash is written twice: \\x0123…
    return BlobDigest(bytes.fromhex(fields["digest"][3:].decode("ascii"))), int(fields["size"])


def content_in(row: bytes, columns: Sequence[str]) -> tuple[bytes, bytes]:
    """Return digest and manifest as a line of object_version or slice spells them."""
    fields = row.rstrip(b"\n").split(b"\t")
    return fields[columns.index("digest")], fields[columns.index("manifest_id")]


def digest_field(digest: BlobDigest) -> bytes:
    """Return a digest as lines spell it."""
    return b"\\\\x" + digest.hex().encode("ascii")


@contextlib.asynccontextmanager
async def _silence(table: str, timeout_seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Yield the limit of what PostgreSQL is asked of a table in the block."""
    try:
        async with asyncio.timeout(timeout_seconds) as limit:
            yield limit
    except TimeoutError:
        raise MetadataUnavailable(f"PostgreSQL does not go on with the table {table}") from None


async def _begin(conn: Connection) -> None:
    # Tables may be large, and the disk of an archive slow: between two tables the session is idle
    # while it is fsynced.
    await unhurried(conn)
    await conn.execute(_SESSION)


def _filled(query: LiteralString, table: str, columns: Sequence[str]) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(query).format(table=sql.Identifier(table), columns=names)
