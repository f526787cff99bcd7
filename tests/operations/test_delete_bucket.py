"""DeleteBucket. Source, unless a test says otherwise: S3 API reference, DeleteBucket."""

import asyncio
from collections.abc import Sequence

from tests.fix_s3 import S3Client
from tests.wire import Answer


async def test_delete_bucket_removes_an_empty_one(s3: S3Client, bucket: str) -> None:
    deleted = await s3.delete(f"/{bucket}")

    assert (deleted.status, deleted.body) == (204, b"")
    assert (await s3.head(f"/{bucket}")).status == 404
    assert bucket not in (await s3.get("/")).texts("Buckets/Bucket/Name")


async def test_delete_bucket_leaves_one_that_holds_something(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")

    refused = await s3.delete(f"/{bucket}")

    assert refused.refusal == (409, "BucketNotEmpty")
    assert refused.error("BucketName") == bucket
    assert (await s3.get(f"/{bucket}/key")).body == b"body"


async def test_delete_bucket_takes_uploads_in_progress_with_it(s3: S3Client, bucket: str) -> None:
    begun = await s3.post(f"/{bucket}/key?uploads")
    upload_id = begun.texts("UploadId")[0]
    await s3.put(f"/{bucket}/key?partNumber=1&uploadId={upload_id}", body=b"part")

    assert (await s3.delete(f"/{bucket}")).status == 204
    await s3.put(f"/{bucket}")
    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload") == []


async def test_delete_bucket_of_none_is_no_such_bucket(s3: S3Client) -> None:
    assert (await s3.delete("/no-such-bucket")).refusal == (404, "NoSuchBucket")


async def test_delete_bucket_by_many_at_once_deletes_it_once(s3: S3Client, bucket: str) -> None:
    answers = await asyncio.gather(*(s3.delete(f"/{bucket}") for _ in range(8)))

    assert sorted(answer.status for answer in answers)[:1] == [204]
    assert {answer.refusal for answer in answers} <= {(204, None), (404, "NoSuchBucket")}


async def test_delete_bucket_never_takes_an_object_that_was_acknowledged(
    s3: S3Client, bucket: str
) -> None:
    """Writers and a delete at once: either the bucket stays, or no write was answered 200."""

    async def write(number: int) -> Answer:
        return await s3.put(f"/{bucket}/{number}", body=b"x" * (9000 if number % 2 else 9))

    deleted, *written = await asyncio.gather(
        s3.delete(f"/{bucket}"), *(write(number) for number in range(8))
    )

    stored = [answer for answer in written if answer.status == 200]
    refused = [answer.refusal for answer in written if answer.status != 200]
    assert deleted.status == 409 or not stored
    assert set(refused) <= {(404, "NoSuchBucket")}
    assert len(await s3.keys_of(bucket) if stored else []) == len(stored)


async def test_delete_bucket_is_seen_by_every_worker_at_once(
    s3: S3Client, bucket: str, both_workers: Sequence[S3Client]
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    first, second = both_workers
    before = [await worker.get(f"/{bucket}/key") for worker in both_workers]

    await first.delete(f"/{bucket}/key")
    await first.delete(f"/{bucket}")

    assert [answer.status for answer in before] == [200, 200]
    assert (await second.get(f"/{bucket}/key")).refusal == (404, "NoSuchBucket")
    assert (await first.put(f"/{bucket}/key")).refusal == (404, "NoSuchBucket")


async def test_a_bucket_that_is_made_again_is_the_new_one_for_every_worker(
    s3: S3Client, bucket: str, both_workers: Sequence[S3Client]
) -> None:
    """A worker that remembers the bucket of before must not refuse what the new one allows."""
    first, second = both_workers

    for method, target, body in [
        ("PUT", "small", b"x"),
        ("PUT", "large", b"x" * 100_000),
        ("GET", "small", None),
        ("HEAD", "small", None),
        ("DELETE", "small", None),
    ]:
        assert (await second.put(f"/{bucket}/old", body=b"old")).status == 200
        await second.delete(f"/{bucket}/old")
        await first.delete(f"/{bucket}")
        await first.put(f"/{bucket}")
        await first.put(f"/{bucket}/small", body=b"new")

        answer = await second.request(method, f"/{bucket}/{target}", body=body)

        assert answer.status in (200, 204), (method, target, answer.body)
        for key in await s3.keys_of(bucket):
            await s3.delete(f"/{bucket}/{key}")


async def test_a_conditional_write_goes_to_the_bucket_that_was_made_again(
    s3: S3Client, bucket: str, both_workers: Sequence[S3Client]
) -> None:
    first, second = both_workers
    await second.head(f"/{bucket}/key")
    await first.delete(f"/{bucket}")
    await first.put(f"/{bucket}")

    stored = await second.put(f"/{bucket}/key", body=b"body", headers={"If-None-Match": "*"})

    assert stored.status == 200
    assert (await first.get(f"/{bucket}/key")).body == b"body"


async def test_a_part_goes_to_the_bucket_that_was_made_again(
    s3: S3Client, bucket: str, both_workers: Sequence[S3Client]
) -> None:
    first, second = both_workers
    await second.head(f"/{bucket}/key")
    await first.delete(f"/{bucket}")
    await first.put(f"/{bucket}")
    upload_id = (await first.post(f"/{bucket}/key?uploads")).texts("UploadId")[0]

    stored = await second.put(f"/{bucket}/key?partNumber=1&uploadId={upload_id}", body=b"part")

    assert stored.status == 200
