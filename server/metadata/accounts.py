"""Table account: the owners of buckets.

Functions take a connection and never commit: the caller owns the transaction. Every change bumps
the settings revision in that transaction, because workers cache accounts with their keys.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg.rows import TupleRow

from server.metadata import settings_revision
from server.metadata.connection import Connection
from server.model.bucket import Account
from server.model.names import CanonicalId

_COLUMNS: Final[LiteralString] = "id, canonical_id, name, email, created"

_CREATE: Final[LiteralString] = f"""
    INSERT INTO account (canonical_id, name, email, is_root)
    VALUES (%(canonical_id)s, %(name)s, %(email)s, %(is_root)s)
        ON CONFLICT DO NOTHING
    RETURNING {_COLUMNS}
"""

# The unique index of each.
_TAKEN: Final[LiteralString] = """
    SELECT CASE WHEN name = %(name)s THEN 'name'
                WHEN email = %(email)s THEN 'email'
                ELSE 'canonical id' END
      FROM account
     WHERE name = %(name)s OR email = %(email)s OR canonical_id = %(canonical_id)s
     LIMIT 1
"""

_FIND: Final[LiteralString] = f"SELECT {_COLUMNS} FROM account WHERE name = %(name)s"

_ALL: Final[LiteralString] = f"SELECT {_COLUMNS} FROM account ORDER BY name"

# Waits for a CreateBucket of this account, whose foreign key holds the row; what comes after finds
# no account.
_LOCK: Final[LiteralString] = "SELECT id FROM account WHERE id = %(id)s FOR UPDATE"

# Index bucket_account.
_REMOVE: Final[LiteralString] = """
    DELETE FROM account
     WHERE id = %(id)s AND NOT EXISTS (SELECT FROM bucket WHERE account_id = %(id)s)
"""


async def create(
    conn: Connection,
    *,
    name: str,
    canonical_id: CanonicalId,
    email: str | None,
    is_root: bool = False,
) -> Account | None:
    """Return the new account; None where another has its name, email or canonical id."""
    values = {"name": name, "canonical_id": canonical_id, "email": email, "is_root": is_root}
    row = await (await conn.execute(_CREATE, values)).fetchone()
    if row is None:
        return None
    await settings_revision.bump(conn)
    return _account(row)


async def what_is_taken(
    conn: Connection, *, name: str, canonical_id: CanonicalId, email: str | None
) -> str | None:
    """Return "name", "email" or "canonical id", whichever another account has; None if none."""
    values = {"name": name, "canonical_id": canonical_id, "email": email}
    row = await (await conn.execute(_TAKEN, values)).fetchone()
    return None if row is None else str(row[0])


async def find(conn: Connection, name: str) -> Account | None:
    """Return the account of that name, or None."""
    row = await (await conn.execute(_FIND, {"name": name})).fetchone()
    return None if row is None else _account(row)


async def everyone(conn: Connection) -> Sequence[Account]:
    """Return all accounts, by name."""
    return [_account(row) for row in await (await conn.execute(_ALL)).fetchall()]


async def remove(conn: Connection, account: Account) -> bool:
    """Remove the account and its keys; False where it owns a bucket or is not there any more."""
    await conn.execute(_LOCK, {"id": account.id})
    cursor = await conn.execute(_REMOVE, {"id": account.id})
    if not cursor.rowcount:
        return False
    await settings_revision.bump(conn)
    return True


def _account(row: TupleRow) -> Account:
    account_id, canonical_id, name, email, created = row
    return Account(account_id, CanonicalId(canonical_id), name, email, created)
