"""The root account: made when the server starts, with the one key that its operator chose."""

import hashlib
from enum import Enum, auto
from typing import Final

from server.metadata import access_keys, accounts
from server.metadata.connection import Connection
from server.model.bucket import Account, Secret
from server.model.names import AccessKeyId, CanonicalId

ROOT: Final = "root"
# The same on every server, so that data can move from one to another with their owner.
_CANONICAL_ID: Final = CanonicalId(hashlib.sha256(b"root").hexdigest())


class RootKey(Enum):
    """What became of the key that was to be the one of the root account."""

    KEPT = auto()  # it was that before
    NEW = auto()
    OF_ANOTHER = auto()  # it belongs to another account, and nothing was changed


async def ensure(conn: Connection, access_key_id: AccessKeyId, secret: Secret) -> RootKey:
    """Make this the one key of the root account, in the caller's transaction.

    Changes nothing, not even the settings revision, where it already is.
    """
    root = await _root(conn)
    _, found = await access_keys.find(conn, access_key_id)
    if found is None:
        await access_keys.create(conn, root, access_key_id, secret)
    elif found.account.id != root.id:
        return RootKey.OF_ANOTHER
    elif found.secret != secret or not found.active:
        await access_keys.set_secret(conn, access_key_id, secret)
    for key in await access_keys.of_account(conn, root):
        if key.access_key_id != access_key_id:
            await access_keys.remove(conn, key.access_key_id)
    return RootKey.NEW if found is None or found.secret != secret else RootKey.KEPT


async def _root(conn: Connection) -> Account:
    # Two nodes may start at once: whoever comes second finds the account of the first.
    created = await accounts.create(
        conn, name=ROOT, canonical_id=_CANONICAL_ID, email=None, is_root=True
    )
    root = created or await accounts.find(conn, ROOT)
    assert root is not None, "created, or there already"
    return root
