"""Accounts: each sees its own buckets alone, and what changes holds for every worker at once."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from tests.access.attempts import OPERATIONS
from tests.fix_s3 import S3Client, client_of, remove_bucket
from tests.fix_server import PROJECT, RunningServer
from tests.signing import Keys, content_md5
from tests.wire import Answer


@dataclass(frozen=True)
class CommandLine:
    """The command `s3d`, used beside the running server."""

    server: RunningServer

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "server", *arguments, "--data", str(self.server.data)]
        environment = {name: v for name, v in os.environ.items() if not name.startswith("S3D_")}
        if self.server.database_url:
            environment["S3D_DATABASE_URL"] = self.server.database_url
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def s3d(server: RunningServer) -> CommandLine:
    return CommandLine(server)


@dataclass(frozen=True)
class Person:
    """An account that was just made, and a client with its key."""

    name: str
    s3: S3Client


@pytest.fixture(scope="module")
def ann(s3d: CommandLine) -> Person:
    return person(s3d, "ann")


@pytest.fixture(scope="module")
def bob(s3d: CommandLine) -> Person:
    return person(s3d, "bob")


def person(s3d: CommandLine, name: str) -> Person:
    name = f"{name}-{os.urandom(4).hex()}"
    keys = Keys(f"AKIA{os.urandom(8).hex().upper()}", os.urandom(20).hex())
    s3d("account", "create", name, *_options(keys))
    return Person(name, client_of(s3d.server).as_keys(keys))


def one_more_key(s3d: CommandLine, owner: Person) -> Keys:
    """Give the account a key that the test may spoil."""
    keys = Keys(f"AKIA{os.urandom(8).hex().upper()}", os.urandom(20).hex())
    s3d("key", "create", owner.name, *_options(keys))
    return keys


def _options(keys: Keys) -> list[str]:
    return ["--access-key", keys.access_key, "--secret-key", keys.secret_key]


@pytest.fixture
async def anns(ann: Person) -> AsyncIterator[str]:
    """A bucket of ann's that holds the object "key"."""
    name = f"test-{os.urandom(8).hex()}"
    assert (await ann.s3.put(f"/{name}")).status == 200
    assert (await ann.s3.put(f"/{name}/key", body=b"ann's")).status == 200
    yield name
    await remove_bucket(ann.s3, name)


async def test_an_account_works_at_once_beside_the_running_server(
    ann: Person, anns: str, both_workers: Sequence[S3Client]
) -> None:
    reads = [await worker.as_keys(ann.s3.keys).get(f"/{anns}/key") for worker in both_workers]

    assert [read.body for read in reads] == [b"ann's", b"ann's"]


async def test_an_account_lists_its_own_buckets_alone(
    ann: Person, bob: Person, s3: S3Client, anns: str
) -> None:
    of_ann, of_bob, of_root = [await client.get("/") for client in (ann.s3, bob.s3, s3)]

    assert of_ann.texts("Buckets/Bucket/Name") == [anns]
    assert of_ann.texts("Owner/DisplayName") == [ann.name]
    assert of_bob.texts("Buckets/Bucket/Name") == []
    assert anns not in of_root.texts("Buckets/Bucket/Name")


@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - {"CreateBucket"}))
@pytest.mark.parametrize("stranger", ["bob", "root"])
async def test_a_bucket_of_another_account_is_closed_to_every_operation(
    ann: Person, bob: Person, s3: S3Client, anns: str, operation: str, stranger: str
) -> None:
    client = bob.s3 if stranger == "bob" else s3

    refused = await OPERATIONS[operation].send(client, anns)

    assert refused.refusal == (403, "AccessDenied")
    assert b"ann" not in refused.body.replace(anns.encode(), b"")
    assert (await ann.s3.get(f"/{anns}/key")).body == b"ann's"
    assert await ann.s3.keys_of(anns) == ["key"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=99-"},
        {"If-Match": '"a"'},
        {"If-None-Match": "*"},
        {"x-amz-if-match-size": "1"},
    ],
)
async def test_a_stranger_does_not_learn_whether_a_key_is_there(
    bob: Person, anns: str, method: str, headers: dict[str, str]
) -> None:
    """The same 403 either way: no ETag, no 304, no 412, no 416."""
    held = await bob.s3.request(method, f"/{anns}/key", headers=headers)
    free = await bob.s3.request(method, f"/{anns}/nothing", headers=headers)

    assert described(held) == described(free)
    assert held.status == 403


@pytest.mark.parametrize(
    "target",
    ["?acl", "?policy", "?uploads", "?versions", "?location", "/key?acl", "/key?attributes"],
)
async def test_a_stranger_does_not_learn_what_is_implemented(
    bob: Person, anns: str, target: str
) -> None:
    assert (await bob.s3.get(f"/{anns}{target}")).refusal == (403, "AccessDenied")


def described(answer: Answer) -> tuple[int, str | None, frozenset[str]]:
    return answer.status, answer.error_code, frozenset(answer.headers)


async def test_a_stranger_can_neither_copy_from_nor_into_a_bucket(
    ann: Person, bob: Person, anns: str
) -> None:
    own = f"test-{os.urandom(8).hex()}"
    await bob.s3.put(f"/{own}")
    await bob.s3.put(f"/{own}/key", body=b"bob's")

    stolen = await bob.s3.put(f"/{own}/copy", headers={"x-amz-copy-source": f"{anns}/key"})
    guessed = await bob.s3.put(f"/{own}/copy", headers={"x-amz-copy-source": f"{anns}/nothing"})
    planted = await bob.s3.put(f"/{anns}/copy", headers={"x-amz-copy-source": f"{own}/key"})

    assert [a.refusal for a in (stolen, guessed, planted)] == [(403, "AccessDenied")] * 3
    assert await bob.s3.keys_of(own) == ["key"]
    assert await ann.s3.keys_of(anns) == ["key"]
    await remove_bucket(bob.s3, own)


async def test_a_stranger_cannot_touch_an_upload_in_progress(
    ann: Person, bob: Person, anns: str
) -> None:
    begun = await ann.s3.post(f"/{anns}/key?uploads")
    upload = f"/{anns}/key?uploadId={begun.texts('UploadId')[0]}"

    answers = [
        await bob.s3.put(f"{upload}&partNumber=1", body=b"part"),
        await bob.s3.get(upload),
        await bob.s3.post(upload, body=b"<CompleteMultipartUpload/>"),
        await bob.s3.delete(upload),
    ]

    assert [answer.refusal for answer in answers] == [(403, "AccessDenied")] * 4
    assert (await ann.s3.delete(upload)).status == 204


async def test_a_name_that_another_account_holds_is_not_available(
    bob: Person, ann: Person, anns: str
) -> None:
    refused = await bob.s3.put(f"/{anns}")

    assert refused.refusal == (409, "BucketAlreadyExists")
    assert (await ann.s3.get(f"/{anns}/key")).body == b"ann's"


async def test_a_key_that_is_disabled_is_refused_by_every_worker_at_once(
    s3d: CommandLine, ann: Person, anns: str, both_workers: Sequence[S3Client]
) -> None:
    keys = one_more_key(s3d, ann)
    workers = [worker.as_keys(keys) for worker in both_workers]
    before = [await worker.get(f"/{anns}/key") for worker in workers]

    s3d("key", "disable", keys.access_key)
    refused = [
        answer
        for worker in workers
        for answer in (
            await worker.get(f"/{anns}/key"),
            await worker.put(f"/{anns}/key", body=b"late"),
            await worker.put(f"/{anns}/key", body=b"x" * 100_000),
            await worker.put(f"/{anns}/key", body=b"late", headers={"If-Match": '"a"'}),
            await worker.delete(f"/{anns}/key"),
            await worker.get(f"/{anns}"),
            await worker.get("/"),
            await worker.post(f"/{anns}/key?uploads"),
        )
    ]

    assert [answer.status for answer in before] == [200, 200]
    assert {answer.refusal for answer in refused} == {(403, "InvalidAccessKeyId")}


@pytest.mark.parametrize("size", [10, 100_000], ids=["small", "large"])
async def test_a_key_that_is_disabled_during_an_upload_stores_nothing(
    s3d: CommandLine, s3: S3Client, ann: Person, anns: str, size: int
) -> None:
    other = one_more_key(s3d, ann)
    message = ann.s3.as_keys(other).message("PUT", f"/{anns}/late", body=b"x" * size)
    async with s3.connected() as wire:
        await wire.send(message[:-5])
        s3d("key", "disable", other.access_key)
        await wire.send(message[-5:])

        assert (await wire.answer()).refusal == (403, "InvalidAccessKeyId")

    assert await ann.s3.keys_of(anns) == ["key"]


async def test_a_key_that_is_removed_and_made_again_has_the_new_secret(
    s3d: CommandLine, ann: Person, anns: str, both_workers: Sequence[S3Client]
) -> None:
    old = one_more_key(s3d, ann)
    new = Keys(old.access_key, os.urandom(20).hex())
    for worker in both_workers:
        assert (await worker.as_keys(old).get(f"/{anns}/key")).status == 200

    s3d("key", "remove", old.access_key)
    s3d("key", "create", ann.name, *_options(new))

    for worker in both_workers:
        refused = await worker.as_keys(old).get(f"/{anns}/key")
        assert refused.refusal == (403, "SignatureDoesNotMatch")
        assert (await worker.as_keys(new).get(f"/{anns}/key")).status == 200


async def test_a_bucket_that_changes_hands_is_closed_to_who_had_it(
    ann: Person, bob: Person, both_workers: Sequence[S3Client]
) -> None:
    """Deleted by one account and made again by another, while workers remember the first."""
    name = f"test-{os.urandom(8).hex()}"
    await ann.s3.put(f"/{name}")
    of_ann = [worker.as_keys(ann.s3.keys) for worker in both_workers]
    for worker in of_ann:
        assert (await worker.put(f"/{name}/key", body=b"ann's")).status == 200
    await ann.s3.delete(f"/{name}/key")
    await ann.s3.delete(f"/{name}")
    await bob.s3.put(f"/{name}")
    await bob.s3.put(f"/{name}/key", body=b"bob's")

    refused = [
        answer
        for worker in of_ann
        for answer in (
            await worker.get(f"/{name}/key"),
            await worker.put(f"/{name}/key", body=b"ann's"),
            await worker.put(f"/{name}/key", body=b"x" * 100_000),
            await worker.delete(f"/{name}/key"),
        )
    ]

    assert {answer.refusal for answer in refused} == {(403, "AccessDenied")}
    assert (await bob.s3.get(f"/{name}/key")).body == b"bob's"
    await remove_bucket(bob.s3, name)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "/{bucket}"),
        ("HEAD", "/{bucket}"),
        ("GET", "/{bucket}/key"),
        ("HEAD", "/{bucket}/key"),
        ("PUT", "/{bucket}/key"),
        ("DELETE", "/{bucket}/key"),
        ("POST", "/{bucket}?delete"),
        ("PUT", "/a-new-bucket"),
        ("DELETE", "/{bucket}"),
        ("OPTIONS", "/{bucket}/key"),
        ("POST", "/{bucket}"),
        ("GET", "/no-such-bucket/key"),
    ],
)
async def test_a_request_without_a_signature_is_refused(
    s3: S3Client, bucket: str, method: str, target: str
) -> None:
    """The same answer whether or not the bucket and the key are there."""
    await s3.put(f"/{bucket}/key", body=b"body")
    digest = {"Content-MD5": content_md5(b"")} if "delete" in target else {}

    refused = await s3.signing("nowhere").request(
        method,
        target.format(bucket=bucket),
        headers=digest,
        body=b"" if method in ("PUT", "POST") else None,
    )

    assert refused.status == 403
    assert refused.error_code == (None if method == "HEAD" else "AccessDenied")
    assert (await s3.get(f"/{bucket}/key")).body == b"body"


async def test_an_account_that_is_removed_is_refused(
    s3d: CommandLine, both_workers: Sequence[S3Client]
) -> None:
    cleo = person(s3d, "cleo")
    workers = [worker.as_keys(cleo.s3.keys) for worker in both_workers]
    assert [(await worker.get("/")).status for worker in workers] == [200, 200]

    s3d("account", "remove", cleo.name)

    refusals = [(await worker.get("/")).refusal for worker in workers]
    assert refusals == [(403, "InvalidAccessKeyId")] * 2
