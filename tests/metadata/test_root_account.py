"""The root account and its one key."""

import psycopg
import pytest

from server.metadata import access_keys, accounts, root_account, settings_revision
from server.metadata.administration import administration
from server.metadata.errors import MetadataUnavailable
from server.metadata.root_account import RootKey
from server.model.bucket import Secret
from server.model.names import AccessKeyId, CanonicalId

KEY = AccessKeyId("ROOTKEY")
SECRET = Secret("secret-of-root")


async def test_ensure_makes_the_account_with_the_key(database_url: str) -> None:
    async with administration(database_url, timeout_seconds=30) as conn:
        assert await root_account.ensure(conn, KEY, SECRET) is RootKey.NEW

        _, found = await access_keys.find(conn, KEY)

    assert found is not None
    assert (found.account.name, found.secret, found.active) == ("root", SECRET, True)


async def test_ensure_again_changes_nothing(database_url: str) -> None:
    async with administration(database_url, timeout_seconds=30) as conn:
        await root_account.ensure(conn, KEY, SECRET)
        before = await settings_revision.read(conn)

        assert await root_account.ensure(conn, KEY, SECRET) is RootKey.KEPT

        assert await settings_revision.read(conn) == before


async def test_ensure_replaces_the_key_before_it(database_url: str) -> None:
    async with administration(database_url, timeout_seconds=30) as conn:
        await root_account.ensure(conn, KEY, SECRET)

        await root_account.ensure(conn, AccessKeyId("NEWKEY"), Secret("another-secret"))

        _, old = await access_keys.find(conn, KEY)
        _, new = await access_keys.find(conn, AccessKeyId("NEWKEY"))
    assert old is None
    assert new is not None


async def test_ensure_changes_the_secret_and_enables_the_key(database_url: str) -> None:
    async with administration(database_url, timeout_seconds=30) as conn:
        await root_account.ensure(conn, KEY, SECRET)
        await access_keys.set_active(conn, KEY, active=False)

        changed = Secret("changed-secret")
        assert await root_account.ensure(conn, KEY, changed) is RootKey.NEW

        _, found = await access_keys.find(conn, KEY)
    assert found is not None
    assert (found.secret, found.active) == ("changed-secret", True)


async def test_ensure_leaves_the_key_of_another_account_alone(database_url: str) -> None:
    async with administration(database_url, timeout_seconds=30) as conn:
        alice = await accounts.create(
            conn, name="alice", canonical_id=CanonicalId("a" * 64), email=None
        )
        assert alice is not None
        await access_keys.create(conn, alice, KEY, Secret("secret-of-alice"))

        assert await root_account.ensure(conn, KEY, SECRET) is RootKey.OF_ANOTHER

        _, found = await access_keys.find(conn, KEY)
    assert found is not None
    assert found.secret == "secret-of-alice"


async def test_an_exception_rolls_the_transaction_back(database_url: str) -> None:
    async def ensure_and_fail() -> None:
        async with administration(database_url, timeout_seconds=30) as conn:
            await root_account.ensure(conn, KEY, SECRET)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await ensure_and_fail()

    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM account").fetchone() == (0,)


async def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(MetadataUnavailable, match="PostgreSQL cannot be used"):
        async with administration("postgresql:///x?host=/nowhere", timeout_seconds=30):
            pass
