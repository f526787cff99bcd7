"""Table settings_revision: one number that moves with every change to what workers cache."""

from collections.abc import Sequence
from typing import Final, LiteralString

from server.metadata.connection import Connection

_BUMP: Final[LiteralString] = """
    UPDATE settings_revision SET revision = revision + 1 RETURNING revision
"""

_READ: Final[LiteralString] = """
    SELECT revision FROM settings_revision
"""


_HOLD: Final[LiteralString] = """
    SELECT settings_hold(%(revision)s, %(bucket_ids)s::bigint[])
"""


async def bump(conn: Connection) -> int:
    """Return the new revision; call it in the transaction of the change, as its last statement.

    The row stays locked until that transaction ends, so changes of settings happen one at a time.
    """
    row = await (await conn.execute(_BUMP)).fetchone()
    assert row is not None, "schema.sql inserts the one row"
    return int(row[0])


async def read(conn: Connection) -> int:
    """Return the revision that is committed now."""
    row = await (await conn.execute(_READ)).fetchone()
    assert row is not None, "schema.sql inserts the one row"
    return int(row[0])


async def hold(conn: Connection, revision: int, bucket_ids: Sequence[int]) -> bool:
    """Return whether the revision still holds; if so, the buckets cannot be deleted until the
    transaction ends (settings_hold in schema.sql)."""
    cursor = await conn.execute(
        _HOLD, {"revision": revision, "bucket_ids": list(bucket_ids)}, prepare=True
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
