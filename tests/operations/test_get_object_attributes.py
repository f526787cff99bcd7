"""GetObjectAttributes of objects without parts. Source: S3 API reference, GetObjectAttributes."""

import hashlib

import pytest

from tests.fix_s3 import S3Client

ALL = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"


@pytest.mark.parametrize("size", [4, 100_000])
async def test_get_object_attributes_tells_all_that_is_asked_for(
    s3: S3Client, bucket: str, size: int
) -> None:
    body = b"x" * size
    stored = await s3.put(f"/{bucket}/key", body=body)

    told = await s3.get(f"/{bucket}/key?attributes", headers={"x-amz-object-attributes": ALL})

    assert told.status == 200
    assert told.texts("ETag") == [hashlib.md5(body).hexdigest()]
    assert told.texts("Checksum/ChecksumCRC64NVME") == [stored.headers["x-amz-checksum-crc64nvme"]]
    assert told.texts("Checksum/ChecksumType") == ["FULL_OBJECT"]
    assert told.texts("StorageClass") == ["STANDARD"]
    assert told.texts("ObjectSize") == [str(size)]
    assert told.texts("ObjectParts") == []
    assert told.headers["last-modified"].endswith("GMT")


@pytest.mark.parametrize("wanted", ["ETag", "ObjectSize", "StorageClass", "Checksum"])
async def test_get_object_attributes_tells_nothing_else(
    s3: S3Client, bucket: str, wanted: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")

    told = await s3.get(f"/{bucket}/key?attributes", headers={"x-amz-object-attributes": wanted})

    assert [element.tag for element in told.document] == [wanted]


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param({}, (400, "InvalidRequest"), id="no attribute"),
        pytest.param({"x-amz-object-attributes": ""}, (400, "InvalidRequest"), id="empty"),
        pytest.param({"x-amz-object-attributes": "Size"}, (400, "InvalidArgument"), id="unknown"),
        pytest.param({"x-amz-object-attributes": "etag"}, (400, "InvalidArgument"), id="case"),
        pytest.param(
            {"x-amz-object-attributes": "ETag", "x-amz-max-parts": "x"},
            (400, "InvalidArgument"),
            id="no number",
        ),
        pytest.param(
            {"x-amz-object-attributes": "ETag", "x-amz-part-number-marker": "-1"},
            (400, "InvalidArgument"),
            id="negative marker",
        ),
        pytest.param(
            {
                "x-amz-object-attributes": "ETag",
                "x-amz-server-side-encryption-customer-algorithm": "AES256",
            },
            (501, "NotImplemented"),
            id="customer key",
        ),
    ],
)
async def test_get_object_attributes_refuses_what_it_cannot_tell(
    s3: S3Client, bucket: str, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    await s3.put(f"/{bucket}/key")

    assert (await s3.get(f"/{bucket}/key?attributes", headers=headers)).refusal == refusal


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("nothing?attributes", (404, "NoSuchKey")),
        ("key?attributes&versionId=abc", (404, "NoSuchVersion")),
        ("key?attributes&versionId=", (400, "InvalidArgument")),
    ],
)
async def test_get_object_attributes_of_what_is_not_there(
    s3: S3Client, bucket: str, target: str, refusal: tuple[int, str]
) -> None:
    await s3.put(f"/{bucket}/key")
    headers = {"x-amz-object-attributes": "ETag"}

    assert (await s3.get(f"/{bucket}/{target}", headers=headers)).refusal == refusal
