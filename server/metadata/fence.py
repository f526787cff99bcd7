"""Writes that were given up: none takes effect any more once its client may have gone on.

A statement that was sent may still be on its way when its connection is cut: in the buffer of a
socket, in a proxy, before a PostgreSQL that stands still. Its client was told 503, writes again, is
answered 200, and then the old one arrives. But every write holds its buckets while it is carried
out, and names the settings revision that it was decided under (settings_hold). So whoever locks the
writers of those buckets out for a moment, and moves the revision, has waited for those that were
under way, and has those refused that are still to come.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, LiteralString

import psycopg
import structlog
from psycopg import errors as pg

from server.metadata import settings_revision
from server.metadata.connection import UNAVAILABLE, Connection

# A client waits for its 503 meanwhile. From a PostgreSQL that falls silent in between psycopg takes
# ten seconds more to part.
_RAISE_SECONDS: Final = 4.0
# How long the writers of those buckets may be held up by one that does not end.
_HELD_UP: Final[LiteralString] = "SET LOCAL statement_timeout = '1s'"

_LOCK_OUT_WRITERS: Final[LiteralString] = """
    SELECT pg_advisory_xact_lock(bucket_id)
      FROM (SELECT DISTINCT unnest(%(bucket_ids)s::bigint[]) AS bucket_id ORDER BY 1) AS ordered
"""

_log = structlog.get_logger()


class Fence:
    """The fence of one worker.

    connect: opens a connection.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._bucket_ids: set[int] = set()
        self._raising = asyncio.Lock()

    def need(self, bucket_ids: Iterable[int]) -> None:
        """Take note that writes to these buckets were given up: nobody knows what came of them."""
        self._bucket_ids.update(bucket_ids)

    @property
    def is_needed(self) -> bool:
        """Return whether some were given up since it was last raised."""
        return bool(self._bucket_ids)

    async def raised(self) -> bool:
        """Have what was given up end, or be refused; return whether that is so of all of it now."""
        async with self._raising:
            bucket_ids = list(self._bucket_ids)
            if not bucket_ids:
                return True
            try:
                async with asyncio.timeout(_RAISE_SECONDS), await self._connect() as conn:
                    await _raise(conn, bucket_ids)
            except pg.ReadOnlySqlTransaction:
                return True  # no write takes effect there, as long as it is so
            except (*UNAVAILABLE, TimeoutError, OSError):
                return False
            except psycopg.Error as error:
                # Whoever broke the schema, or took our rights, must not stop all reads by it.
                _log.error("writes that were given up cannot be refused", error=str(error))
            self._bucket_ids.difference_update(bucket_ids)
            return not self._bucket_ids


def outcome_is_unknown(error: BaseException | None) -> bool:
    """Return whether a statement that ended in this may still take effect."""
    # A PostgreSQL that refuses it, or ends, says so, with a code.
    return getattr(error, "sqlstate", None) is None


async def _raise(conn: Connection, bucket_ids: list[int]) -> None:
    try:
        async with conn.transaction():
            await conn.execute(_HELD_UP)
            await conn.execute(_LOCK_OUT_WRITERS, {"bucket_ids": bucket_ids})
            await settings_revision.bump(conn)
    except pg.QueryCanceled:
        # One stands still in the middle of it, and must not keep all others from being refused.
        await settings_revision.bump(conn)
