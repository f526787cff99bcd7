"""A connection for commands: one at a time, short-lived, beside a running server or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from server.metadata import schema
from server.metadata.connection import Connection, connect
from server.metadata.errors import MetadataUnavailable


@asynccontextmanager
async def administration(
    url: str, *, timeout_seconds: float, may_create: bool = True
) -> AsyncIterator[Connection]:
    """Yield a connection in a transaction that commits at the end; the schema is prepared.

    may_create: make the schema in an empty database; else that is a SchemaMismatch.
    Raises MetadataUnavailable where PostgreSQL is away, SchemaMismatch where it cannot be used.
    """
    try:
        async with await connect(url, timeout_seconds=timeout_seconds) as conn:
            await schema.prepare(conn, may_create=may_create)
            async with conn.transaction():
                yield conn
    except psycopg.OperationalError as error:
        raise MetadataUnavailable(f"PostgreSQL cannot be used: {error}") from error
