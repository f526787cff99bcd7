"""Buckets come and go under writers."""

import asyncio
import os

import pytest

from tests.concurrency.bodies import SIZES, numbered
from tests.fix_s3 import S3Client, remove_bucket
from tests.operations.uploads import begin
from tests.wire import Answer

pytestmark = pytest.mark.usefixtures("nothing_breaks")

REFUSALS = {(404, "NoSuchBucket"), (409, "OperationAborted")}


@pytest.mark.parametrize("size", SIZES)
async def test_no_object_is_ever_in_a_deleted_bucket(s3: S3Client, size: int) -> None:
    """`nothing_breaks` looks for objects whose bucket is gone."""
    for turn in range(20):
        name = f"short-lived-{os.urandom(6).hex()}"
        await s3.put(f"/{name}")

        deleted, *written = await asyncio.gather(
            _delete_after(s3, name, seconds=0.002 * (turn % 5)),
            *(s3.put(f"/{name}/key-{n}", body=numbered(n, size)) for n in range(4)),
        )

        stored = [n for n, answer in enumerate(written) if answer.status == 200]
        assert {answer.refusal for answer in written if answer.status != 200} <= REFUSALS
        assert (deleted.status == 204) == (stored == [])
        if stored:
            assert deleted.refusal == (409, "BucketNotEmpty")
            assert await s3.keys_of(name) == [f"key-{n}" for n in stored]
        await remove_bucket(s3, name)


async def test_a_bucket_that_was_made_again_holds_nothing_of_the_first(s3: S3Client) -> None:
    name = f"made-again-{os.urandom(6).hex()}"
    for _ in range(15):
        await s3.put(f"/{name}")
        (deleted, made), written = await asyncio.gather(
            _delete_and_make(s3, name),
            asyncio.gather(*(s3.put(f"/{name}/key-{n}", body=b"x") for n in range(3))),
        )

        assert {answer.refusal for answer in written} <= {(200, None), *REFUSALS}
        assert deleted in (204, 409)
        assert made == 200
        stored = [f"key-{n}" for n, answer in enumerate(written) if answer.status == 200]
        assert await s3.keys_of(name) == stored
        await remove_bucket(s3, name)


async def test_uploads_end_with_their_bucket(s3: S3Client) -> None:
    for _ in range(10):
        name = f"short-lived-{os.urandom(6).hex()}"
        await s3.put(f"/{name}")
        upload = await begin(s3, name)

        deleted, part = await asyncio.gather(
            s3.delete(f"/{name}"), upload.put(1, numbered(1, 20_000))
        )

        assert deleted.status == 204
        assert part.refusal in {(200, None), (404, "NoSuchUpload"), *REFUSALS}


async def test_of_many_who_create_a_bucket_in_many_workers_one_bucket_comes(
    s3: S3Client,
) -> None:
    name = f"wanted-{os.urandom(6).hex()}"

    answers = await asyncio.gather(*(s3.put(f"/{name}") for _ in range(10)))

    assert [answer.status for answer in answers] == [200] * 10
    assert (await s3.get("/?prefix=" + name)).texts("Buckets/Bucket/Name") == [name]
    await remove_bucket(s3, name)


async def _delete_after(s3: S3Client, name: str, *, seconds: float) -> Answer:
    await asyncio.sleep(seconds)
    return await s3.delete(f"/{name}")


async def _delete_and_make(s3: S3Client, name: str) -> tuple[int, int]:
    deleted = await s3.delete(f"/{name}")
    return deleted.status, (await s3.put(f"/{name}")).status
