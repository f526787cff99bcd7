"""Table bucket: names, owners, regions.

Every change bumps the settings revision in the same transaction, because workers cache buckets.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg.rows import TupleRow

from server.metadata import settings_revision
from server.metadata.connection import Connection
from server.model.bucket import Bucket
from server.model.names import BucketName

_COLUMNS: Final[LiteralString] = "id, name, account_id, region, created"

_FIND: Final[LiteralString] = f"""
    SELECT revision, {_COLUMNS}
      FROM settings_revision
      LEFT JOIN bucket ON name = %(name)s
"""

_CREATE: Final[LiteralString] = f"""
    INSERT INTO bucket (name, account_id, region)
    SELECT %(name)s, a.id, %(region)s
      FROM account a
     WHERE a.id = %(account_id)s
       FOR KEY SHARE
        ON CONFLICT (name) DO NOTHING
    RETURNING {_COLUMNS}
"""

# Exclusive against the shared lock of settings_hold: whoever writes to the bucket has committed,
# and whoever comes later sees the revision that the deletion moves.
_LOCK_OUT_WRITERS: Final[LiteralString] = "SELECT pg_advisory_xact_lock(%(id)s)"

# One probe of object_version_current, one of object_version_noncurrent.
_HOLDS_VERSIONS: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM object_version WHERE bucket_id = %(id)s AND is_current)
        OR EXISTS (SELECT FROM object_version WHERE bucket_id = %(id)s AND NOT is_current)
"""

_DELETE: Final[LiteralString] = "DELETE FROM bucket WHERE id = %(id)s"

# Index bucket_account.
_PAGE: Final[LiteralString] = f"""
    SELECT {_COLUMNS}
      FROM bucket
     WHERE account_id = %(account_id)s AND name > %(after)s AND name >= %(prefix)s
       AND (%(end)s::text IS NULL OR name < %(end)s)
       AND (%(region)s::text IS NULL OR region = %(region)s)
     ORDER BY name
     LIMIT %(limit)s
"""


async def find(conn: Connection, name: BucketName) -> tuple[int, Bucket | None]:
    """Return the settings revision and, of the same snapshot, the bucket of that name."""
    row = await (await conn.execute(_FIND, {"name": name}, prepare=True)).fetchone()
    assert row is not None, "settings_revision has its one row"
    return row[0], None if row[1] is None else _bucket(row[1:])


async def create(
    conn: Connection, name: BucketName, *, account_id: int, region: str
) -> Bucket | None:
    """Return the new bucket, or None where the name is taken or the account is gone.

    In the caller's transaction.
    """
    values = {"name": name, "account_id": account_id, "region": region}
    row = await (await conn.execute(_CREATE, values)).fetchone()
    if row is None:
        return None
    await settings_revision.bump(conn)
    return _bucket(row)


async def delete(conn: Connection, bucket: Bucket) -> bool:
    """Delete the bucket and its uploads in progress; False where it still holds a version.

    In the caller's transaction. Concurrent writers of the bucket are waited for.
    """
    values = {"id": bucket.id}
    await conn.execute(_LOCK_OUT_WRITERS, values)
    row = await (await conn.execute(_HOLDS_VERSIONS, values)).fetchone()
    if row is None or row[0]:
        return False
    await conn.execute(_DELETE, values)
    await settings_revision.bump(conn)
    return True


async def page(
    conn: Connection,
    *,
    account_id: int,
    after: str,
    prefix: str,
    end: str | None,
    region: str | None,
    limit: int,
) -> Sequence[Bucket]:
    """Return at most limit buckets of the account, by name.

    after: names up to and including this one are left out; "" for none.
    prefix, end: the range of names that begin with the prefix; end is None where it has none.
    """
    cursor = await conn.execute(
        _PAGE,
        {
            "account_id": account_id,
            "after": after,
            "prefix": prefix,
            "end": end,
            "region": region,
            "limit": limit,
        },
    )
    return [_bucket(row) for row in await cursor.fetchall()]


def _bucket(row: TupleRow) -> Bucket:
    bucket_id, name, account_id, region, created = row
    return Bucket(bucket_id, BucketName(name), account_id, region, created)
