"""Workers remember keys and buckets, and never answer from what a change has outdated."""

import secrets
from collections.abc import Sequence

import pytest

from server.metadata import access_keys, accounts, buckets
from server.metadata.connection import connect
from server.model.bucket import Account, Secret
from server.model.names import AccessKeyId, BucketName, CanonicalId
from tests.fix_s3 import S3Client
from tests.fix_server import RunningServer
from tests.signing import Keys

Workers = Sequence[S3Client]

REQUESTS = [
    ("GET", "/{bucket}/key"),
    ("HEAD", "/{bucket}/key"),
    ("PUT", "/{bucket}/key"),
    ("DELETE", "/{bucket}/key"),
    ("GET", "/{bucket}"),
    ("GET", "/"),
    ("POST", "/{bucket}/key?uploads"),
    ("GET", "/{bucket}?uploads"),
]


@pytest.fixture
async def account(server: RunningServer) -> Account:
    """An account beside root."""
    name = f"someone-{secrets.token_hex(4)}"
    async with await connect(server.metadata_url) as conn:
        made = await accounts.create(
            conn, name=name, canonical_id=CanonicalId(secrets.token_hex(32)), email=None
        )
    assert made is not None
    return made


@pytest.fixture
async def keys(server: RunningServer, account: Account) -> Keys:
    """The keys of that account."""
    keys = Keys(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20))
    async with await connect(server.metadata_url) as conn:
        await access_keys.create(
            conn, account, AccessKeyId(keys.access_key), Secret(keys.secret_key)
        )
    return keys


@pytest.fixture
async def own_bucket(server: RunningServer, account: Account) -> str:
    """A bucket of that account."""
    name = BucketName(f"own-{secrets.token_hex(6)}")
    async with await connect(server.metadata_url) as conn:
        await buckets.create(conn, name, account_id=account.id, region="us-east-1")
    return name


async def statuses(workers: Workers, keys: Keys, bucket: str) -> list[int]:
    """Return what every worker answers to every kind of request."""
    return [
        (await worker.as_keys(keys).request(method, target.format(bucket=bucket), body=b"")).status
        for worker in workers
        for method, target in REQUESTS
    ]


async def test_a_key_is_good_on_every_worker_as_soon_as_it_is_made(
    both_workers: Workers, keys: Keys, own_bucket: str
) -> None:
    assert 403 not in await statuses(both_workers, keys, own_bucket)


async def test_a_key_that_was_disabled_is_refused_by_every_worker_at_once(
    server: RunningServer, both_workers: Workers, keys: Keys, own_bucket: str
) -> None:
    for _ in range(3):
        assert 403 not in await statuses(both_workers, keys, own_bucket)
        async with await connect(server.metadata_url) as conn:
            await access_keys.set_active(conn, AccessKeyId(keys.access_key), active=False)
        assert set(await statuses(both_workers, keys, own_bucket)) == {403}
        async with await connect(server.metadata_url) as conn:
            await access_keys.set_active(conn, AccessKeyId(keys.access_key), active=True)


async def test_a_secret_that_was_changed_is_refused_and_the_new_one_taken(
    server: RunningServer, both_workers: Workers, keys: Keys, own_bucket: str
) -> None:
    assert 403 not in await statuses(both_workers, keys, own_bucket)
    async with await connect(server.metadata_url) as conn:
        await access_keys.set_secret(conn, AccessKeyId(keys.access_key), Secret("new" * 10))

    assert set(await statuses(both_workers, keys, own_bucket)) == {403}
    renewed = Keys(keys.access_key, "new" * 10)
    assert 403 not in await statuses(both_workers, renewed, own_bucket)


async def test_a_write_that_was_allowed_before_the_key_was_disabled_is_not_made_after(
    server: RunningServer, s3: S3Client, keys: Keys, own_bucket: str
) -> None:
    """The head of the request was answered 100 Continue while the key was good."""
    client = s3.as_keys(keys)
    message = client.message(
        "PUT", f"/{own_bucket}/late", headers={"Expect": "100-continue"}, body=b"late"
    )
    head, _, body = message.partition(b"\r\n\r\n")
    async with client.connected() as wire:
        await wire.send(head + b"\r\n\r\n")
        interim = await wire.interim()
        async with await connect(server.metadata_url) as conn:
            await access_keys.set_active(conn, AccessKeyId(keys.access_key), active=False)
        await wire.send(body)
        answer = await wire.answer()

    assert interim.startswith(b"HTTP/1.1 100")
    assert answer.refusal == (403, "InvalidAccessKeyId")


async def test_a_bucket_that_was_made_again_is_seen_by_every_worker(
    both_workers: Workers, s3: S3Client
) -> None:
    first, second = both_workers
    name = f"seen-{secrets.token_hex(6)}"
    found: list[int | str | None] = []
    for _ in range(4):
        await first.put(f"/{name}")
        found.append((await second.put(f"/{name}/key", body=b"x")).status)
        found.append((await first.get(f"/{name}/key")).status)
        await second.delete(f"/{name}/key")
        await second.delete(f"/{name}")
        found.append((await first.get(f"/{name}/key")).error_code)
        found.append((await first.put(f"/{name}/key", body=b"x")).error_code)

    assert found == [200, 200, "NoSuchBucket", "NoSuchBucket"] * 4
