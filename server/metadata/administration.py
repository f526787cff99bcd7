"""A connection for commands: one at a time, short-lived, beside a running server or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.metadata import schema
from server.metadata.connection import Connection, connected


@asynccontextmanager
async def administration(
    url: str, *, timeout_seconds: float, may_create: bool = True, takes_unsafe: bool = False
) -> AsyncIterator[Connection]:
    """Yield a connection in a transaction that commits at the end; the schema is prepared in it.

    may_create: make the schema in an empty database; else that is a SchemaMismatch.
    takes_unsafe: so is a PostgreSQL that may lose commits, unless this is True.
    Raises MetadataUnavailable where PostgreSQL is away, SchemaMismatch where it cannot be used,
    MetadataError for all else that PostgreSQL refuses.
    """
    async with connected(url, timeout_seconds=timeout_seconds) as conn, conn.transaction():
        await schema.prepare(conn, may_create=may_create, takes_unsafe=takes_unsafe)
        yield conn
