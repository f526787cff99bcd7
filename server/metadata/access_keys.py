"""Table access_key: the credentials of accounts.

Functions take a connection and never commit: the caller owns the transaction. Every change bumps
the settings revision in that transaction, because workers cache keys: a key that is disabled is
refused from the commit on.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from server.metadata import settings_revision
from server.metadata.connection import Connection
from server.model.bucket import AccessKey, Account, Secret
from server.model.names import AccessKeyId, CanonicalId

_FIND: Final[LiteralString] = """
    SELECT revision, secret, is_active, id, canonical_id, name, email, account.created
      FROM settings_revision
      LEFT JOIN (access_key JOIN account ON id = account_id) ON access_key_id = %(access_key_id)s
"""

_CREATE: Final[LiteralString] = """
    INSERT INTO access_key (access_key_id, secret, account_id)
    VALUES (%(access_key_id)s, %(secret)s, %(account_id)s)
        ON CONFLICT (access_key_id) DO NOTHING
"""

# Index access_key_account.
_OF_ACCOUNT: Final[LiteralString] = """
    SELECT access_key_id, secret, is_active
      FROM access_key
     WHERE account_id = %(account_id)s
     ORDER BY created, access_key_id
"""

_SET_ACTIVE: Final[LiteralString] = """
    UPDATE access_key SET is_active = %(active)s WHERE access_key_id = %(access_key_id)s
"""

_SET_SECRET: Final[LiteralString] = """
    UPDATE access_key SET secret = %(secret)s, is_active = true
     WHERE access_key_id = %(access_key_id)s
"""

_REMOVE: Final[LiteralString] = "DELETE FROM access_key WHERE access_key_id = %(access_key_id)s"


async def find(conn: Connection, access_key_id: AccessKeyId) -> tuple[int, AccessKey | None]:
    """Return the settings revision and, of the same snapshot, the key with its account."""
    cursor = await conn.execute(_FIND, {"access_key_id": access_key_id}, prepare=True)
    row = await cursor.fetchone()
    assert row is not None, "settings_revision has its one row"
    revision, secret, active, account_id, canonical_id, name, email, created = row
    if secret is None:
        return revision, None
    account = Account(account_id, CanonicalId(canonical_id), name, email, created)
    return revision, AccessKey(access_key_id, Secret(secret), account, active)


async def create(
    conn: Connection, account: Account, access_key_id: AccessKeyId, secret: Secret
) -> bool:
    """Give the account a key; False where any account has one of that id already."""
    values = {"access_key_id": access_key_id, "secret": secret, "account_id": account.id}
    cursor = await conn.execute(_CREATE, values)
    return await _bumped(conn, cursor.rowcount)


async def of_account(conn: Connection, account: Account) -> Sequence[AccessKey]:
    """Return the keys of the account, the oldest first."""
    cursor = await conn.execute(_OF_ACCOUNT, {"account_id": account.id})
    return [
        AccessKey(AccessKeyId(access_key_id), Secret(secret), account, active)
        for access_key_id, secret, active in await cursor.fetchall()
    ]


async def set_active(conn: Connection, access_key_id: AccessKeyId, *, active: bool) -> bool:
    """Enable or disable a key; False where there is no such key."""
    values = {"access_key_id": access_key_id, "active": active}
    cursor = await conn.execute(_SET_ACTIVE, values)
    return await _bumped(conn, cursor.rowcount)


async def set_secret(conn: Connection, access_key_id: AccessKeyId, secret: Secret) -> bool:
    """Change the secret of a key and enable it; False where there is no such key."""
    values = {"access_key_id": access_key_id, "secret": secret}
    cursor = await conn.execute(_SET_SECRET, values)
    return await _bumped(conn, cursor.rowcount)


async def remove(conn: Connection, access_key_id: AccessKeyId) -> bool:
    """Remove a key; False where there is no such key."""
    cursor = await conn.execute(_REMOVE, {"access_key_id": access_key_id})
    return await _bumped(conn, cursor.rowcount)


async def _bumped(conn: Connection, changed_rows: int) -> bool:
    if changed_rows:
        await settings_revision.bump(conn)
    return changed_rows > 0
