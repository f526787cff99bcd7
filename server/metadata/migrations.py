"""How an older schema becomes the present one, a version at a time.

A fresh database gets schema.sql alone; a migrated one must end up the same, which a test compares.
"""

from collections.abc import Mapping
from typing import Final, LiteralString

from server.metadata.connection import Connection

# The order of the columns is that of schema.sql: new ones stand last in their table.
_TO_2: Final[LiteralString] = """
    ALTER TABLE blob ADD COLUMN seen_whole timestamptz, ADD COLUMN rotten timestamptz;
    CREATE INDEX blob_seen_whole ON blob (seen_whole NULLS FIRST)
        WHERE trashed IS NULL AND rotten IS NULL;
    ALTER TABLE object_version ALTER COLUMN body SET STORAGE MAIN;
    ALTER TABLE object_version SET (toast_tuple_target = 8160);
    CREATE INDEX blob_rotten ON blob (rotten) WHERE rotten IS NOT NULL;
"""

_TO_3: Final[LiteralString] = """
    CREATE TABLE blob_directory (
        id uuid NOT NULL DEFAULT gen_random_uuid(), is_given boolean NOT NULL DEFAULT false);
    INSERT INTO blob_directory DEFAULT VALUES;
"""

_STEPS: Final[Mapping[int, LiteralString]] = {1: _TO_2, 2: _TO_3}

# An index of many rows takes longer to build than any statement of a request may.
_NO_TIMEOUT: Final[LiteralString] = "SET LOCAL statement_timeout = 0"

_SET_VERSION: Final[LiteralString] = "UPDATE schema_version SET version = %(version)s"


async def migrate(conn: Connection, found: int, *, wanted: int) -> None:
    """Bring the schema from an older version to the wanted one, in the caller's transaction.

    The caller keeps others from doing the same. found: from 1 to wanted.
    """
    await conn.execute(_NO_TIMEOUT)
    for version in range(found, wanted):
        await conn.execute(_STEPS[version])
    await conn.execute(_SET_VERSION, {"version": wanted})
