"""The ends of an upload meet each other, and its parts."""

import asyncio

import pytest

from tests.fix_s3 import S3Client
from tests.operations.uploads import (
    MIN_PART,
    SentPart,
    Upload,
    begin,
    md5_hex,
    multipart_etag,
    random_bytes,
)

pytestmark = pytest.mark.usefixtures("nothing_breaks")

FIRST, LAST = random_bytes(MIN_PART, 1), random_bytes(20_000, 2)
TURNS = 8


async def two_parts(s3: S3Client, bucket: str, key: str) -> tuple[Upload, list[SentPart]]:
    upload = await begin(s3, bucket, key)
    return upload, await upload.sent(FIRST, LAST)


async def test_many_completes_of_one_upload_are_all_answered_the_same(
    s3: S3Client, bucket: str
) -> None:
    for turn in range(TURNS):
        upload, parts = await two_parts(s3, bucket, f"key-{turn}")

        answers = await asyncio.gather(*(upload.complete(parts) for _ in range(6)))

        assert [answer.status for answer in answers] == [200] * 6
        assert len({answer.body for answer in answers}) == 1
        assert (await s3.get(upload.path)).body == FIRST + LAST


async def test_of_completes_with_different_lists_one_makes_the_object(
    s3: S3Client, bucket: str
) -> None:
    for turn in range(TURNS):
        upload, parts = await two_parts(s3, bucket, f"key-{turn}")

        answers = await asyncio.gather(*(upload.complete(parts[:count]) for count in (1, 2, 1, 2)))

        (etag,) = {answer.texts("ETag")[0] for answer in answers if answer.status == 200}
        refused = [answer.refusal for answer in answers if answer.status != 200]
        assert refused == [(404, "NoSuchUpload")] * 2
        read = await s3.get(upload.path)
        assert f'"{read.etag}"' == etag
        expected = {multipart_etag([FIRST]): FIRST, multipart_etag([FIRST, LAST]): FIRST + LAST}
        assert read.body == expected[read.etag]


async def test_an_upload_is_either_completed_or_aborted(s3: S3Client, bucket: str) -> None:
    for turn in range(2 * TURNS):
        upload, parts = await two_parts(s3, bucket, f"key-{turn}")

        first, second = upload.complete(parts), upload.abort()
        if turn % 2:
            aborted, completed = await asyncio.gather(second, first)
        else:
            completed, aborted = await asyncio.gather(first, second)

        read = await s3.get(upload.path)
        statuses = completed.status, aborted.status, read.status
        assert statuses in ((200, 404, 200), (404, 204, 404))
        assert read.status == 404 or read.body == FIRST + LAST

    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload/Key") == []


async def test_a_part_arrives_before_its_upload_is_completed_or_not_at_all(
    s3: S3Client, bucket: str
) -> None:
    other = random_bytes(20_000, 3)
    for turn in range(2 * TURNS):
        upload, parts = await two_parts(s3, bucket, f"key-{turn}")

        completed, late = await asyncio.gather(upload.complete(parts), upload.put(2, other))

        read = await s3.get(upload.path)
        if completed.status == 200:
            # What was listed is what is read, whatever arrived.
            assert late.refusal == (404, "NoSuchUpload")
            assert read.body == FIRST + LAST
        else:
            assert completed.refusal == (400, "InvalidPart")
            assert (late.status, read.status) == (200, 404)
            await upload.abort()


async def test_a_part_arrives_before_its_upload_is_aborted_or_not_at_all(
    s3: S3Client, bucket: str
) -> None:
    for turn in range(2 * TURNS):
        upload, _ = await two_parts(s3, bucket, f"key-{turn}")

        aborted, late = await asyncio.gather(upload.abort(), upload.put(3, LAST))

        assert aborted.status == 204
        assert late.refusal in ((200, None), (404, "NoSuchUpload"))


async def test_of_parts_with_one_number_one_is_stored_whole(s3: S3Client, bucket: str) -> None:
    bodies = {md5_hex(body): body for body in (random_bytes(20_000, n) for n in range(6))}
    upload = await begin(s3, bucket)

    answers = await asyncio.gather(*(upload.put(1, body) for body in bodies.values()))
    (etag,) = (await upload.parts()).texts("Part/ETag")
    completed = await upload.complete([SentPart(1, etag.strip('"'))])

    assert [answer.status for answer in answers] == [200] * 6
    assert completed.status == 200
    assert (await s3.get(upload.path)).body == bodies[etag.strip('"')]


async def test_parts_of_the_same_bytes_arrive_together(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)

    answers = await asyncio.gather(*(upload.put(number, FIRST) for number in range(1, 7)))
    parts = [SentPart(number, answer.etag) for number, answer in enumerate(answers, start=1)]
    completed = await upload.complete(parts)

    assert completed.status == 200
    assert (await s3.get(upload.path)).body == FIRST * 6


async def test_of_completes_that_must_create_the_key_one_does(s3: S3Client, bucket: str) -> None:
    uploads = [await two_parts(s3, bucket, "key") for _ in range(5)]

    answers = await asyncio.gather(
        *(upload.complete(parts, {"If-None-Match": "*"}) for upload, parts in uploads)
    )

    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412, 412]
    assert (await s3.get(f"/{bucket}/key")).body == FIRST + LAST
    for upload, _ in uploads:
        await upload.abort()


async def test_a_copy_of_an_object_of_parts_that_is_replaced_meanwhile_is_whole(
    s3: S3Client, bucket: str
) -> None:
    stop = asyncio.Event()

    async def replace() -> None:
        for turn in range(12):
            upload, parts = await two_parts(s3, bucket, "source")
            assert (await upload.complete(parts)).status == 200
            if turn % 2:
                await s3.delete(upload.path)
            else:
                await s3.put(upload.path, body=b"small")
        stop.set()

    async def copy(key: str) -> None:
        said = {"x-amz-copy-source": f"{bucket}/source"}
        while not stop.is_set():
            answer = await s3.request("PUT", f"/{bucket}/{key}", headers=said)
            assert answer.refusal in ((200, None), (404, "NoSuchKey")), answer.body
            if answer.status == 200:
                assert (await s3.get(f"/{bucket}/{key}")).body in (FIRST + LAST, b"small")

    async def copy_a_part(key: str) -> None:
        while not stop.is_set():
            upload = await begin(s3, bucket, key)
            answer = await upload.copy(1, f"{bucket}/source")
            assert answer.refusal in ((200, None), (404, "NoSuchKey")), answer.body
            if answer.status != 200:
                await upload.abort()
                continue
            etag = answer.texts("ETag")[0].strip('"')
            assert (await upload.complete([SentPart(1, etag)])).status == 200
            assert (await s3.get(upload.path)).body in (FIRST + LAST, b"small")

    await asyncio.gather(replace(), copy("one"), copy("two"), copy_a_part("three"))
