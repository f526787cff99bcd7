"""Source: S3 API reference, AbortMultipartUpload."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.fix_s3 import S3Client
from tests.operations.uploads import SentPart, Upload, begin, md5_hex

HEADER = "x-amz-if-match-initiated-time"


@pytest.fixture
async def upload(s3: S3Client, bucket: str) -> Upload:
    """An upload in progress with one part."""
    upload = await begin(s3, bucket)
    await upload.put(1, b"part")
    return upload


async def initiated(upload: Upload) -> datetime:
    bucket = upload.path.split("/")[1]
    (text,) = (await upload.s3.get(f"/{bucket}?uploads")).texts("Upload/Initiated")
    return datetime.fromisoformat(text)


async def test_an_aborted_upload_is_gone(s3: S3Client, bucket: str, upload: Upload) -> None:
    aborted = await upload.abort()

    assert (aborted.status, aborted.body) == (204, b"")
    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload/Key") == []
    answers = [
        await upload.parts(),
        await upload.put(2, b"x"),
        await upload.complete([SentPart(1, md5_hex(b"part"))]),
        await upload.abort(),
    ]
    assert [each.refusal for each in answers] == [(404, "NoSuchUpload")] * 4


async def test_abort_leaves_the_object_and_other_uploads_of_the_key(
    s3: S3Client, bucket: str, upload: Upload
) -> None:
    await s3.put(upload.path, body=b"object")
    other = await begin(s3, bucket)

    await upload.abort()

    assert (await s3.get(upload.path)).body == b"object"
    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload/UploadId") == [other.id]


async def test_abort_needs_an_upload_of_that_id_and_key(
    s3: S3Client, bucket: str, upload: Upload
) -> None:
    answers = [
        await s3.delete(f"{upload.path}?uploadId={'A' * 64}"),
        await s3.delete(f"{upload.path}?uploadId=x"),
        await s3.delete(f"/{bucket}/another?uploadId={upload.id}"),
    ]

    assert [each.refusal for each in answers] == [(404, "NoSuchUpload")] * 3
    assert (await upload.parts()).status == 200


async def test_abort_ends_the_upload_that_was_initiated_then(upload: Upload) -> None:
    then = format_datetime(await initiated(upload), usegmt=True)

    assert (await upload.abort({HEADER: then})).status == 204


async def test_abort_leaves_an_upload_that_was_initiated_at_another_time(
    upload: Upload,
) -> None:
    then = await initiated(upload) + timedelta(seconds=1)

    refused = await upload.abort({HEADER: format_datetime(then, usegmt=True)})

    assert refused.refusal == (412, "PreconditionFailed")
    assert refused.error("Condition") == HEADER
    assert (await upload.parts()).status == 200


async def test_abort_refuses_a_time_that_is_none(upload: Upload) -> None:
    assert (await upload.abort({HEADER: "yesterday"})).refusal == (400, "InvalidArgument")


async def test_the_time_of_initiation_is_now(upload: Upload) -> None:
    assert abs(datetime.now(UTC) - await initiated(upload)) < timedelta(minutes=1)
