"""Checksums of objects of parts, from the first request to the last.

Source: S3 User Guide, "Checking object integrity".
"""

import base64
import hashlib
import zlib
from collections.abc import Callable

import pytest

from server.model.checksum import ChecksumAlgorithm
from server.rules.checksums import checksum_of
from tests.fix_s3 import S3Client
from tests.operations.uploads import MIN_PART, SentPart, base64_of, begin, random_bytes

FIRST, SECOND, LAST = random_bytes(MIN_PART, 1), random_bytes(MIN_PART + 1, 2), b"the last"
WHOLE = FIRST + SECOND + LAST


def crc64nvme(data: bytes) -> str:
    return checksum_of(ChecksumAlgorithm.CRC64NVME, data)


def crc32c(data: bytes) -> str:
    return checksum_of(ChecksumAlgorithm.CRC32C, data)


ALGORITHMS: dict[str, Callable[[bytes], str]] = {
    "CRC32": lambda data: base64_of(zlib.crc32(data).to_bytes(4, "big")),
    "CRC32C": crc32c,
    "CRC64NVME": crc64nvme,
    "SHA1": lambda data: base64_of(hashlib.sha1(data, usedforsecurity=False).digest()),
    "SHA256": lambda data: base64_of(hashlib.sha256(data).digest()),
}


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
async def test_a_full_object_checksum_is_that_of_all_bytes(
    s3: S3Client, bucket: str, algorithm: str
) -> None:
    said = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": "FULL_OBJECT"}
    header = f"x-amz-checksum-{algorithm.lower()}"
    value = ALGORITHMS[algorithm](WHOLE)
    wrong = ALGORITHMS[algorithm](b"another")
    upload = await begin(s3, bucket, headers=said)
    parts = await upload.sent(FIRST, SECOND, LAST)
    kind = {"x-amz-checksum-type": "FULL_OBJECT"}

    refused = await upload.complete(parts, {**kind, header: wrong})
    completed = await upload.complete(parts, {**kind, header: value})

    assert refused.refusal == (400, "BadDigest")
    assert completed.texts(f"Checksum{algorithm}") == [value]
    assert completed.texts("ChecksumType") == ["FULL_OBJECT"]
    head = await s3.head(upload.path, headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers[header], head.headers["x-amz-checksum-type"]) == (value, "FULL_OBJECT")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
async def test_a_composite_checksum_is_that_of_the_checksums_of_the_parts(
    s3: S3Client, bucket: str, algorithm: str
) -> None:
    header = f"x-amz-checksum-{algorithm.lower()}"
    upload = await begin(s3, bucket, headers={"x-amz-checksum-algorithm": algorithm})
    values = [ALGORITHMS[algorithm](body) for body in (FIRST, LAST)]
    etags = [
        (await upload.put(number, body, {header: values[number - 1]})).etag
        for number, body in enumerate((FIRST, LAST), start=1)
    ]
    parts = [
        SentPart(number, etag, {algorithm: values[number - 1]})
        for number, etag in enumerate(etags, start=1)
    ]

    expected = ALGORITHMS[algorithm](b"".join(base64.b64decode(value) for value in values)) + "-2"
    refused = await upload.complete(parts, {header: values[0]})
    completed = await upload.complete(parts, {header: expected})

    assert refused.refusal == (400, "BadDigest")
    assert completed.texts(f"Checksum{algorithm}") == [expected]
    assert completed.texts("ChecksumType") == ["COMPOSITE"]
    head = await s3.head(upload.path, headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers[header], head.headers["x-amz-checksum-type"]) == (expected, "COMPOSITE")


async def test_a_composite_checksum_must_be_listed_with_every_part(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket, headers={"x-amz-checksum-algorithm": "SHA256"})
    value = ALGORITHMS["SHA256"](LAST)
    part = await upload.put(1, LAST, {"x-amz-checksum-sha256": value})

    missing = await upload.complete([SentPart(1, part.etag)])
    wrong = await upload.complete([SentPart(1, part.etag, {"SHA256": ALGORITHMS["SHA256"](b"")})])
    right = await upload.complete([SentPart(1, part.etag, {"SHA256": value})])

    assert missing.refusal == (400, "InvalidRequest")
    assert wrong.refusal == (400, "InvalidPart")
    assert right.status == 200


async def test_an_object_without_an_algorithm_has_a_crc64nvme_of_all_bytes(
    s3: S3Client, bucket: str
) -> None:
    """S3 computes one of every object since December 2024."""
    upload = await begin(s3, bucket)

    completed = await upload.complete(await upload.sent(FIRST, SECOND, LAST))

    assert completed.texts("ChecksumCRC64NVME") == [crc64nvme(WHOLE)]
    assert completed.texts("ChecksumType") == ["FULL_OBJECT"]
    head = await s3.head(upload.path, headers={"x-amz-checksum-mode": "ENABLED"})
    assert head.headers["x-amz-checksum-crc64nvme"] == crc64nvme(WHOLE)
