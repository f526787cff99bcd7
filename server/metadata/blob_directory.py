"""Table blob_directory: one row, the name of the directory that holds the blobs."""

from typing import Final, LiteralString

from server.metadata.connection import Connection

_ID: Final[LiteralString] = "SELECT id::text FROM blob_directory"
_IS_GIVEN: Final[LiteralString] = "SELECT is_given FROM blob_directory"
_GIVE: Final[LiteralString] = "UPDATE blob_directory SET is_given = true WHERE NOT is_given"


async def id_of(conn: Connection) -> str:
    """Return the name that the directory must have, an UUID in lower case."""
    row = await (await conn.execute(_ID)).fetchone()
    assert row is not None, "schema.sql fills it"
    return str(row[0])


async def is_given(conn: Connection) -> bool:
    """Return whether a directory has the name."""
    row = await (await conn.execute(_IS_GIVEN)).fetchone()
    return row is not None and bool(row[0])


async def give(conn: Connection) -> None:
    """Note that a directory has the name: no other gets it by itself."""
    await conn.execute(_GIVE)
