"""Source: S3 API reference, CreateMultipartUpload."""

import re

import pytest

from tests.fix_s3 import S3Client, path_of
from tests.operations.uploads import begin


async def test_create_multipart_upload_answers_bucket_key_and_id(s3: S3Client, bucket: str) -> None:
    created = await s3.post(path_of(bucket, "a b/c+d&<e>") + "?uploads")

    assert created.status == 200
    assert created.headers["content-type"] == "application/xml"
    assert [element.tag for element in created.document] == ["Bucket", "Key", "UploadId"]
    assert created.texts("Bucket") + created.texts("Key") == [bucket, "a b/c+d&<e>"]


async def test_upload_ids_differ_and_need_no_quoting(s3: S3Client, bucket: str) -> None:
    """s3cmd takes an id that begins with "-" for an option."""
    ids = {(await begin(s3, bucket)).id for _ in range(20)}

    assert len(ids) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9._]{64}", each) for each in ids)


async def test_an_upload_that_is_not_complete_is_no_object(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    await upload.put(1, b"part")

    assert (await s3.get(upload.path)).refusal == (404, "NoSuchKey")
    assert await s3.keys_of(bucket) == []


async def test_what_the_upload_said_is_what_the_object_says(s3: S3Client, bucket: str) -> None:
    said = {
        "Content-Type": "image/png",
        "Cache-Control": "max-age=5",
        "Content-Disposition": "attachment",
        "Content-Encoding": "x",
        "Content-Language": "de",
        "Expires": "Wed, 21 Oct 2026 07:28:00 GMT",
        "x-amz-meta-colour": "blue",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-website-redirect-location": "/elsewhere",
    }
    upload = await begin(s3, bucket, headers=said)
    completed = await upload.complete(await upload.sent(b"body"))

    head = await s3.head(upload.path)

    assert completed.status == 200
    assert {name: head.headers[name.lower()] for name in said} == said


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        pytest.param({}, (None, None), id="none"),
        pytest.param({"x-amz-checksum-algorithm": "CRC32"}, ("CRC32", "COMPOSITE"), id="CRC32"),
        pytest.param({"x-amz-checksum-algorithm": "sha256"}, ("SHA256", "COMPOSITE"), id="SHA256"),
        pytest.param(
            {"x-amz-checksum-algorithm": "CRC64NVME"},
            ("CRC64NVME", "FULL_OBJECT"),
            id="CRC64NVME",
        ),
        pytest.param(
            {"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"},
            ("CRC32C", "FULL_OBJECT"),
            id="CRC32C of the full object",
        ),
    ],
)
async def test_create_multipart_upload_answers_which_checksum_it_will_be(
    s3: S3Client, bucket: str, headers: dict[str, str], answered: tuple[str | None, str | None]
) -> None:
    created = await s3.post(f"/{bucket}/key?uploads", headers=headers)

    found = tuple(created.headers.get(f"x-amz-checksum-{name}") for name in ("algorithm", "type"))
    assert (created.status, found) == (200, answered)


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param(
            {"x-amz-checksum-algorithm": "SHA1", "x-amz-checksum-type": "FULL_OBJECT"},
            (400, "InvalidRequest"),
            id="SHA1 cannot be of the full object",
        ),
        pytest.param(
            {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
            (400, "InvalidRequest"),
            id="CRC64NVME cannot be composite",
        ),
        pytest.param(
            {"x-amz-checksum-algorithm": "CRC31"}, (400, "InvalidRequest"), id="no algorithm"
        ),
        pytest.param(
            {"x-amz-storage-class": "COLDER"}, (400, "InvalidStorageClass"), id="storage class"
        ),
        pytest.param(
            {"x-amz-meta-large": "x" * 2100}, (400, "MetadataTooLarge"), id="user metadata"
        ),
        pytest.param({"x-amz-acl": "public-read"}, (501, "NotImplemented"), id="ACL"),
    ],
)
async def test_create_multipart_upload_refuses(
    s3: S3Client, bucket: str, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    assert (await s3.post(f"/{bucket}/key?uploads", headers=headers)).refusal == refusal
    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload") == []


async def test_create_multipart_upload_needs_a_bucket(s3: S3Client) -> None:
    assert (await s3.post("/no-such-bucket-here/key?uploads")).refusal == (404, "NoSuchBucket")
