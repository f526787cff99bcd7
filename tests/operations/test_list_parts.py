"""Source: S3 API reference, ListParts."""

import pytest

from tests.fix_s3 import S3Client
from tests.operations.uploads import Upload, begin, md5_hex


@pytest.fixture
async def upload(s3: S3Client, bucket: str) -> Upload:
    """An upload with the parts 1, 2, 5 and 10,000, which came in another order."""
    upload = await begin(s3, bucket, "a b+c")
    for number in (5, 10_000, 1, 2):
        await upload.put(number, b"x" * number)
    return upload


async def test_list_parts_tells_all_of_every_part(bucket: str, upload: Upload) -> None:
    listed = await upload.parts()

    assert listed.headers["content-type"] == "application/xml"
    assert listed.texts("Part/PartNumber") == ["1", "2", "5", "10000"]
    assert listed.texts("Part/Size") == ["1", "2", "5", "10000"]
    assert listed.texts("Part/ETag") == [
        f'"{md5_hex(b"x" * number)}"' for number in (1, 2, 5, 10_000)
    ]
    assert len(listed.texts("Part/LastModified")) == 4
    about = {tag: listed.texts(tag) for tag in ("Bucket", "Key", "UploadId", "StorageClass")}
    assert about == {
        "Bucket": [bucket],
        "Key": ["a b+c"],
        "UploadId": [upload.id],
        "StorageClass": ["STANDARD"],
    }
    assert listed.texts("Initiator/ID") == listed.texts("Owner/ID") != []
    assert (listed.texts("MaxParts"), listed.texts("IsTruncated")) == (["1000"], ["false"])


@pytest.mark.parametrize(
    ("query", "numbers", "truncated", "following"),
    [
        pytest.param("&max-parts=2", ["1", "2"], "true", ["2"], id="first page"),
        pytest.param(
            "&max-parts=2&part-number-marker=2", ["5", "10000"], "false", ["10000"], id="last page"
        ),
        pytest.param("&part-number-marker=3", ["5", "10000"], "false", ["10000"], id="gap"),
        pytest.param("&max-parts=4", ["1", "2", "5", "10000"], "false", ["10000"], id="all"),
        pytest.param(
            "&max-parts=9999", ["1", "2", "5", "10000"], "false", ["10000"], id="more than all"
        ),
        pytest.param("&part-number-marker=10000", [], "false", ["0"], id="behind all"),
        pytest.param("&max-parts=0", [], "false", ["0"], id="none"),
    ],
)
async def test_list_parts_comes_in_pages(
    upload: Upload, query: str, numbers: list[str], truncated: str, following: list[str]
) -> None:
    listed = await upload.parts(query)

    assert listed.texts("Part/PartNumber") == numbers
    assert listed.texts("IsTruncated") == [truncated]
    assert listed.texts("NextPartNumberMarker") in (following, [])


async def test_an_upload_without_parts_lists_none(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)

    listed = await upload.parts()

    assert (listed.texts("Part"), listed.texts("IsTruncated")) == ([], ["false"])


async def test_list_parts_shows_the_checksums(s3: S3Client, bucket: str) -> None:
    upload = await begin(
        s3,
        bucket,
        headers={"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"},
    )
    await upload.put(1, b"123456789")

    listed = await upload.parts()

    assert listed.texts("Part/ChecksumCRC32") == ["y/Q5Jg=="]
    assert listed.texts("ChecksumAlgorithm") == ["CRC32"]
    assert listed.texts("ChecksumType") == ["FULL_OBJECT"]


@pytest.mark.parametrize(
    "query",
    ["&max-parts=x", "&max-parts=-1", "&part-number-marker=x", "&part-number-marker=-1"],
)
async def test_list_parts_refuses_what_is_no_number(upload: Upload, query: str) -> None:
    assert (await upload.parts(query)).refusal == (400, "InvalidArgument")


async def test_list_parts_needs_an_upload_of_that_id_and_key(
    s3: S3Client, bucket: str, upload: Upload
) -> None:
    answers = [
        await s3.get(f"{upload.path}?uploadId={'A' * 64}"),
        await s3.get(f"{upload.path}?uploadId="),
        await s3.get(f"/{bucket}/another?uploadId={upload.id}"),
    ]

    assert [each.refusal for each in answers] == [(404, "NoSuchUpload")] * 3
