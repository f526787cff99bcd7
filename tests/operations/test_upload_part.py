"""Source: S3 API reference, UploadPart; S3 User Guide, "Amazon S3 multipart upload limits"."""

import base64
import zlib

import pytest

from tests.fix_s3 import Disk, S3Client
from tests.operations.uploads import begin, md5_hex, random_bytes
from tests.signing import content_md5, sha256_base64

BODY = random_bytes(100_000)
ARABIC_ONE = "\u0661"
NOT_AN_ID = "A" * 64


async def test_upload_part_answers_the_md5_as_etag(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)

    answer = await upload.put(1, BODY)

    assert (answer.status, answer.body, answer.etag) == (200, b"", md5_hex(BODY))


@pytest.mark.parametrize("number", [1, 5000, 10_000])
async def test_upload_part_takes_the_numbers_from_1_to_10000(
    s3: S3Client, bucket: str, number: int
) -> None:
    upload = await begin(s3, bucket)

    await upload.put(number, b"part")

    assert (await upload.parts()).texts("Part/PartNumber") == [str(number)]


@pytest.mark.parametrize(
    "number", ["0", "10001", "-1", "1_0", "+1", " 1", "x", "", "1.0", ARABIC_ONE]
)
async def test_upload_part_refuses_any_other_number(s3: S3Client, bucket: str, number: str) -> None:
    upload = await begin(s3, bucket)
    quoted = number.replace("+", "%2B").replace(" ", "%20").replace(ARABIC_ONE, "%D9%A1")

    answer = await s3.put(f"{upload.path}?partNumber={quoted}&uploadId={upload.id}", body=b"x")

    assert answer.refusal == (400, "InvalidArgument")
    assert answer.error("ArgumentName") == "partNumber"


@pytest.mark.parametrize(
    "upload_id",
    [
        pytest.param(NOT_AN_ID, id="of an id as we make them"),
        pytest.param("x", id="short"),
        pytest.param("%C3%BC" * 32, id="not ASCII"),
        pytest.param("", id="empty"),
    ],
)
async def test_upload_part_needs_an_upload_of_that_id(
    s3: S3Client, bucket: str, upload_id: str
) -> None:
    answer = await s3.put(f"/{bucket}/key?partNumber=1&uploadId={upload_id}", body=BODY)

    assert answer.refusal == (404, "NoSuchUpload")


async def test_upload_part_needs_the_key_of_the_upload(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket, "one")

    answer = await s3.put(f"/{bucket}/another?partNumber=1&uploadId={upload.id}", body=BODY)

    assert answer.refusal == (404, "NoSuchUpload")


async def test_an_empty_part_is_a_part(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)

    answer = await upload.put(1, b"")

    assert (answer.status, answer.etag) == (200, md5_hex(b""))
    assert (await upload.parts()).texts("Part/Size") == ["0"]


async def test_a_part_of_the_same_number_replaces_the_other(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    await upload.put(1, b"first")

    second = await upload.put(1, b"the second")

    listed = await upload.parts()
    assert listed.texts("Part/Size") == ["10"]
    assert listed.texts("Part/ETag") == [f'"{second.etag}"']


async def test_upload_part_answers_a_crc64nvme_where_no_checksum_was_asked_for(
    s3: S3Client, bucket: str
) -> None:
    """S3 computes one of every object since December 2024."""
    upload = await begin(s3, bucket)

    answer = await upload.put(1, b"123456789")

    # The check value of CRC-64/NVME: ae8b14860a799888.
    assert answer.headers["x-amz-checksum-crc64nvme"] == "rosUhgp5mIg="


async def test_upload_part_checks_and_answers_the_checksum_of_the_client(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket, headers={"x-amz-checksum-algorithm": "SHA256"})
    stated = {"x-amz-checksum-sha256": sha256_base64(BODY)}

    right = await upload.put(1, BODY, stated)
    wrong = await upload.put(2, BODY[1:], stated)

    assert (right.status, right.headers["x-amz-checksum-sha256"]) == (200, sha256_base64(BODY))
    assert wrong.refusal == (400, "BadDigest")
    assert (await upload.parts()).texts("Part/PartNumber") == ["1"]


async def test_an_upload_without_an_algorithm_takes_parts_with_any(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    crc32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()

    answer = await upload.put(1, BODY, {"x-amz-checksum-crc32": crc32})

    assert (answer.status, answer.headers["x-amz-checksum-crc32"]) == (200, crc32)


@pytest.mark.parametrize("stated", [{}, {"x-amz-checksum-sha256": sha256_base64(BODY)}])
async def test_a_composite_checksum_wants_its_own_algorithm_with_every_part(
    s3: S3Client, bucket: str, stated: dict[str, str]
) -> None:
    upload = await begin(s3, bucket, headers={"x-amz-checksum-algorithm": "CRC32"})

    assert (await upload.put(1, BODY, stated)).refusal == (400, "InvalidRequest")


async def test_a_full_object_checksum_is_computed_for_parts_that_state_none(
    s3: S3Client, bucket: str
) -> None:
    full = {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"}
    upload = await begin(s3, bucket, headers=full)

    answer = await upload.put(1, b"123456789")

    assert answer.headers["x-amz-checksum-crc32"] == "y/Q5Jg=="


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param({"Content-MD5": content_md5(b"x")}, (400, "BadDigest"), id="Content-MD5"),
        pytest.param({"Content-MD5": "x"}, (400, "InvalidDigest"), id="no MD5"),
        pytest.param(
            {"x-amz-checksum-crc32": "AAAAAA=="}, (400, "BadDigest"), id="another checksum"
        ),
    ],
)
async def test_upload_part_with_a_wrong_digest_stores_nothing(
    s3: S3Client, bucket: str, disk: Disk, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    upload = await begin(s3, bucket)
    await upload.put(1, b"first")

    assert (await upload.put(1, BODY, headers)).refusal == refusal

    assert (await upload.parts()).texts("Part/Size") == ["5"]
    assert await disk.staged_afterwards() == []


@pytest.mark.parametrize(
    "payload", ["unsigned", "signed chunks", "signed chunks and trailer", "unsigned chunks"]
)
async def test_upload_part_takes_every_payload_mode(
    s3: S3Client, bucket: str, payload: str
) -> None:
    upload = await begin(s3, bucket)
    chunked = s3.signing("header", payload)  # type: ignore[arg-type]
    target = f"{upload.path}?partNumber=1&uploadId={upload.id}"

    answer = await chunked.put(target, body=BODY)

    assert (answer.status, answer.etag) == (200, md5_hex(BODY))


async def test_upload_part_refuses_more_than_5_gib_before_the_body(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    target = f"{upload.path}?partNumber=1&uploadId={upload.id}"
    headers = {"Content-Length": str(5 * (1 << 30) + 1)}

    answer = await s3.signing("header", "unsigned").request("PUT", target, headers=headers)

    assert answer.refusal == (400, "EntityTooLarge")


async def test_parts_of_an_upload_may_arrive_through_any_worker(
    s3: S3Client, bucket: str, both_workers: tuple[S3Client, S3Client]
) -> None:
    first, second = both_workers
    upload = await begin(first, bucket)
    target = f"{upload.path}?partNumber=1&uploadId={upload.id}"

    answer = await second.put(target, body=BODY)

    assert answer.status == 200
    assert (await upload.parts()).texts("Part/Size") == [str(len(BODY))]
