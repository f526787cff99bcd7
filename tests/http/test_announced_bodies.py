"""Bodies that are not what their headers, their chunks or their trailers say."""

import pytest

from tests.fix_s3 import Disk, S3Client
from tests.signing import aws_chunked, content_md5, sha256_base64
from tests.wire import request_bytes

LARGE = 3 << 20  # in a file, received in more than one piece


@pytest.mark.parametrize("size", [4, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"Content-MD5": content_md5(b"another")}, "BadDigest", id="MD5"),
        pytest.param({"Content-MD5": "rubbish"}, "InvalidDigest", id="MD5 that is none"),
        pytest.param({"Content-MD5": ""}, "InvalidDigest", id="empty MD5"),
        pytest.param(
            {"x-amz-checksum-sha256": sha256_base64(b"another")}, "BadDigest", id="SHA-256"
        ),
        pytest.param({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest", id="CRC32"),
        pytest.param({"x-amz-checksum-crc32c": "AAAAAA=="}, "BadDigest", id="CRC32C"),
        pytest.param({"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, "BadDigest", id="CRC64NVME"),
        pytest.param({"x-amz-checksum-sha1": "A" * 27 + "="}, "BadDigest", id="SHA-1"),
        pytest.param({"x-amz-checksum-crc32": "AAAA"}, "InvalidRequest", id="too short"),
        pytest.param({"x-amz-checksum-crc32": "AAAAAA==\u00fc"}, "InvalidRequest", id="rubbish"),
        pytest.param(
            {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="},
            "InvalidRequest",
            id="two of them",
        ),
        pytest.param({"x-amz-checksum-crc33": "AAAAAA=="}, "InvalidRequest", id="unknown"),
        pytest.param(
            {"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest", id="named, not sent"
        ),
        pytest.param({"x-amz-trailer": "x-amz-checksum-crc32"}, "InvalidRequest", id="no trailer"),
    ],
)
async def test_a_body_that_is_not_the_announced_one_is_refused(
    s3: S3Client, bucket: str, disk: Disk, headers: dict[str, str], code: str, size: int
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    refused = await s3.put(f"/{bucket}/key", body=b"x" * size, headers=headers)

    assert refused.refusal == (400, code)
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"
    assert disk.staged() == []


@pytest.mark.parametrize(
    ("headers", "chunks", "status", "code"),
    [
        pytest.param(
            {"x-amz-decoded-content-length": "5"}, [b"body"], 400, "IncompleteBody", id="too short"
        ),
        pytest.param(
            {"x-amz-decoded-content-length": "3"}, [b"body"], 400, "IncompleteBody", id="too long"
        ),
        pytest.param(
            {"x-amz-decoded-content-length": "4x"}, [b"body"], 400, "InvalidArgument", id="text"
        ),
        pytest.param(
            {"x-amz-decoded-content-length": "-4"}, [b"body"], 400, "InvalidArgument", id="minus"
        ),
        pytest.param(
            {"x-amz-decoded-content-length": "5368709121"},
            [b"body"],
            400,
            "EntityTooLarge",
            id="above 5 GiB",
        ),
        pytest.param({}, [b"body"], 411, "MissingContentLength", id="no decoded length"),
        pytest.param(
            {"x-amz-decoded-content-length": "8"},
            [b"body", b"body"],
            403,
            "InvalidChunkSizeError",
            id="small chunk in the middle",
        ),
    ],
)
async def test_a_chunked_body_keeps_its_own_rules(
    s3: S3Client, bucket: str, headers: dict[str, str], chunks: list[bytes], status: int, code: str
) -> None:
    message = chunked(s3, f"/{bucket}/key", headers, aws_chunked(chunks))

    refused = await s3.send(message)

    assert refused.refusal == (status, code)
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"4\r\nbody\r\n0\r\n\r\nrubbish", "IncompleteBody", id="rubbish behind"),
        pytest.param(b"4\r\nbodyX\r\n0\r\n\r\n", "IncompleteBody", id="chunk longer than its size"),
        pytest.param(b"4\r\nbody\r\n", "IncompleteBody", id="no last chunk"),
        pytest.param(b"body", "IncompleteBody", id="no chunks at all"),
        pytest.param(b"0x4\r\nbody\r\n0\r\n\r\n", "IncompleteBody", id="size in Python's hex"),
        pytest.param(b"4;" + b"a" * 999 + b"\r\n", "IncompleteBody", id="endless chunk header"),
        pytest.param(
            b"4\r\nbody\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "MalformedTrailerError",
            id="trailer that was not announced",
        ),
    ],
)
async def test_broken_aws_chunks_are_refused(
    s3: S3Client, bucket: str, body: bytes, code: str
) -> None:
    headers = {"x-amz-decoded-content-length": "4"}

    refused = await s3.send(chunked(s3, f"/{bucket}/key", headers, body))

    assert refused.refusal == (400, code)
    assert await s3.keys_of(bucket) == []


def chunked(s3: S3Client, target: str, headers: dict[str, str], body: bytes) -> bytes:
    """An unsigned aws-chunked upload that is framed by the test."""
    client = s3.signing("header", "unsigned chunks")
    signed = client.signed("PUT", target, headers={"Content-Encoding": "aws-chunked", **headers})
    return request_bytes(
        "PUT", signed.target, {**signed.headers, "Content-Length": str(len(body))}, body
    )


async def test_aws_chunked_is_not_stored_as_a_content_encoding(s3: S3Client, bucket: str) -> None:
    client = s3.signing("header", "signed chunks")

    await client.put(
        f"/{bucket}/key", body=b"body", headers={"Content-Encoding": "aws-chunked,gzip"}
    )

    assert (await s3.get(f"/{bucket}/key")).headers["content-encoding"] == "gzip"


async def test_a_gzip_body_is_stored_as_it_is(s3: S3Client, bucket: str) -> None:
    """Content-Encoding is the object's own: nobody unpacks it on its way in or out."""
    await s3.put(f"/{bucket}/key", body=b"not gzip at all", headers={"Content-Encoding": "gzip"})

    stored = await s3.get(f"/{bucket}/key", headers={"Accept-Encoding": "identity"})

    assert (stored.body, stored.headers["content-encoding"]) == (b"not gzip at all", "gzip")
