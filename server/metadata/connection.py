"""Connections to PostgreSQL, each with the session that this server relies on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, LiteralString

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg import errors as pg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads

from server.metadata.errors import MetadataError, MetadataUnavailable

Connection = AsyncConnection[TupleRow]

# A request may wait for it.
CONNECT_TIMEOUT_SECONDS: Final = 10

# What psycopg raises where PostgreSQL is away, ended the session, or takes no writes; it counts the
# last three among the internal errors.
UNAVAILABLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.IdleInTransactionSessionTimeout,
    pg.TransactionTimeout,
    pg.ReadOnlySqlTransaction,
)

# What psycopg raises where PostgreSQL cannot read back what it wrote.
DAMAGED: Final = (pg.DataCorrupted, pg.IndexCorrupted)

# Said by the session itself, so that no setting of a role or a database can make commits
# asynchronous (D2) between the check at start and now. The URL may ask for more than that.
_DURABLE: Final = "-c synchronous_commit=on"
# A statement that takes longer is cancelled and answered with 503; see `database_timeout_seconds`.
# settings_hold rests on the isolation: its last SELECT must see what its locks waited for.
_SESSION: Final = (
    "-c timezone=UTC -c default_transaction_isolation=read\\ committed"
    " -c statement_timeout={ms} -c idle_in_transaction_session_timeout={ms}"
)

# A machine that lost its power says nothing, and its statement_timeout went with it: after half a
# minute of silence the kernel ends the connection, instead of a quarter of an hour.
_TCP_LIMITS: Final = MappingProxyType(
    {
        "tcp_user_timeout": 30_000,  # ms
        "keepalives_idle": 15,  # s
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
)

# A scan of all rows takes longer than a statement of a request may, and all of it is wanted.
_UNHURRIED: Final[LiteralString] = """
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL cursor_tuple_fraction = 1
"""
# Before version 17 PostgreSQL does not know it.
_NO_TRANSACTION_TIMEOUT: Final[LiteralString] = "SET LOCAL transaction_timeout = 0"
_KNOWS_TRANSACTION_TIMEOUT: Final = 170000

set_json_loads(orjson.loads)


async def connect(url: str, *, timeout_seconds: float = 60) -> Connection:
    """Return an open connection in autocommit mode.

    url: a libpq connection string or URI.
    timeout_seconds: after which PostgreSQL cancels a statement, or ends a session that left a
        transaction open.
    Raises psycopg.OperationalError where PostgreSQL cannot be reached.
    """
    connection = await AsyncConnection.connect(url, **session(url, timeout_seconds))
    connection.prepare_threshold = 1
    return connection


@asynccontextmanager
async def connected(url: str, *, timeout_seconds: float) -> AsyncIterator[Connection]:
    """Yield a connection as connect() returns it, and close it, for commands and their jobs.

    Raises MetadataUnavailable where PostgreSQL is away, MetadataError for all else that it refuses.
    """
    try:
        async with await connect(url, timeout_seconds=timeout_seconds) as conn:
            yield conn
    except UNAVAILABLE as error:
        raise MetadataUnavailable(f"PostgreSQL cannot be used: {error}") from error
    except psycopg.Error as error:
        # Without the statement, and the place in it, that str() adds.
        said = error.diag.message_primary or error
        raise MetadataError(f"PostgreSQL does not take it: {said}") from error


def session(url: str, timeout_seconds: float) -> dict[str, Any]:
    """Return the keyword arguments of psycopg's connect that make a session ours.

    Options that the URL sets itself are kept, before most of ours.
    """
    set_by_url = psycopg.conninfo.conninfo_to_dict(url)
    given = str(set_by_url.get("options") or "")
    ours = _SESSION.format(ms=int(timeout_seconds * 1000))
    return {
        **{name: limit for name, limit in _TCP_LIMITS.items() if name not in set_by_url},
        "autocommit": True,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "s3d",
        "options": " ".join(filter(None, (_DURABLE, given, ours))),
    }


async def unhurried(conn: Connection) -> None:
    """Let the caller's transaction take its time: for scans of whole tables, never for requests."""
    # No queries: the caller may still have to choose what its transaction sees.
    await conn.execute(_UNHURRIED)
    if conn.info.server_version >= _KNOWS_TRANSACTION_TIMEOUT:
        await conn.execute(_NO_TRANSACTION_TIMEOUT)
