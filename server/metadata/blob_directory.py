"""Table blob_directory: one row, the name of the directory that holds the blobs."""

from typing import Final, LiteralString

from server.metadata.connection import Connection

_ID: Final[LiteralString] = "SELECT id::text FROM blob_directory"


async def id_of(conn: Connection) -> str:
    """Return the name that the directory must have, an UUID in lower case."""
    row = await (await conn.execute(_ID)).fetchone()
    assert row is not None, "schema.sql fills it"
    return str(row[0])
