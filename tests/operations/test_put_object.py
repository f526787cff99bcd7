"""PutObject. Source, unless a test says otherwise: S3 API reference, PutObject."""

import asyncio
import hashlib
import os
from email.header import decode_header, make_header

import pytest

from tests.fix_s3 import Disk, S3Client
from tests.signing import content_md5, sha256_base64

INLINE = 8192  # bytes up to which a body lies in its row
SIZES = pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, (1 << 20) + 1, 5 << 20])


@SIZES
async def test_put_object_stores_a_body_of_any_size(s3: S3Client, bucket: str, size: int) -> None:
    body = os.urandom(size)

    stored = await s3.put(f"/{bucket}/key", body=body)

    assert (stored.status, stored.body) == (200, b"")
    assert stored.etag == hashlib.md5(body).hexdigest()
    assert (await s3.get(f"/{bucket}/key")).body == body


async def test_put_object_replaces_what_the_key_held(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=os.urandom(100_000), headers={"x-amz-meta-old": "1"})

    await s3.put(f"/{bucket}/key", body=b"second", headers={"Content-Type": "text/plain"})

    read = await s3.get(f"/{bucket}/key")
    assert (read.body, read.headers["content-type"]) == (b"second", "text/plain")
    assert "x-amz-meta-old" not in read.headers


async def test_put_object_removes_its_staged_file(s3: S3Client, bucket: str, disk: Disk) -> None:
    await s3.put(f"/{bucket}/key", body=os.urandom(1 << 20))

    assert disk.staged() == []


async def test_put_object_keeps_what_is_said_of_the_object(s3: S3Client, bucket: str) -> None:
    said = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "max-age=60",
        "Content-Disposition": 'attachment; filename="ü.txt"',
        "Content-Encoding": "br",
        "Content-Language": "de",
        "Expires": "not even a date",
        "x-amz-website-redirect-location": "/elsewhere",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-meta-colour": "red",
        "X-Amz-Meta-Empty": "",
    }

    await s3.put(f"/{bucket}/key", body=b"body", headers=said)

    shown = (await s3.head(f"/{bucket}/key")).headers
    assert {name.lower(): shown[name.lower()] for name in said} == {
        name.lower(): value for name, value in said.items()
    }


async def test_put_object_gives_a_content_type_where_none_is_sent(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")

    assert (await s3.head(f"/{bucket}/key")).headers["content-type"] == "binary/octet-stream"


async def test_put_object_answers_the_checksum_that_was_sent(s3: S3Client, bucket: str) -> None:
    value = sha256_base64(b"body")

    stored = await s3.put(f"/{bucket}/key", body=b"body", headers={"x-amz-checksum-sha256": value})

    assert stored.headers["x-amz-checksum-sha256"] == value
    assert stored.headers["x-amz-checksum-type"] == "FULL_OBJECT"


async def test_put_object_computes_a_crc64nvme_where_no_checksum_is_sent(
    s3: S3Client, bucket: str
) -> None:
    """Source: S3 User Guide, "Checking object integrity": since December 2024.
    The value: catalogue of CRC algorithms, CRC-64/NVME, check of "123456789"."""
    stored = await s3.put(f"/{bucket}/key", body=b"123456789")

    assert stored.headers["x-amz-checksum-crc64nvme"] == "rosUhgp5mIg="


async def test_put_object_with_the_right_content_md5_is_stored(s3: S3Client, bucket: str) -> None:
    headers = {"Content-MD5": content_md5(b"body")}

    assert (await s3.put(f"/{bucket}/key", body=b"body", headers=headers)).status == 200


async def test_put_object_with_a_wrong_content_md5_stores_nothing(
    s3: S3Client, bucket: str
) -> None:
    """Scenario: Content-MD5 is well formed but names another body.
    Outcome: BadDigest, and the key still reads as before."""
    await s3.put(f"/{bucket}/key", body=b"first")

    refused = await s3.put(
        f"/{bucket}/key", body=b"second", headers={"Content-MD5": content_md5(b"first")}
    )

    assert refused.refusal == (400, "BadDigest")
    assert refused.error("ExpectedDigest") == hashlib.md5(b"first").hexdigest()
    assert refused.error("CalculatedDigest") == content_md5(b"second")
    assert (await s3.get(f"/{bucket}/key")).body == b"first"


@pytest.mark.parametrize("size", [4, 100_000], ids=["small", "large"])
@pytest.mark.parametrize(
    ("held", "condition", "refusal"),
    [
        pytest.param(None, {"If-None-Match": "*"}, None, id="nothing there, as wanted"),
        pytest.param(
            b"a", {"If-None-Match": "*"}, (412, "PreconditionFailed"), id="something is there"
        ),
        pytest.param(
            b"a", {"If-Match": f'"{hashlib.md5(b"a").hexdigest()}"'}, None, id="as it was"
        ),
        pytest.param(b"a", {"If-Match": hashlib.md5(b"a").hexdigest()}, None, id="without quotes"),
        pytest.param(
            b"a", {"If-Match": '"another"'}, (412, "PreconditionFailed"), id="not as it was"
        ),
        pytest.param(None, {"If-Match": '"any"'}, (404, "NoSuchKey"), id="nothing to match"),
        pytest.param(b"a", {"If-Match": "*"}, (501, "NotImplemented"), id="If-Match: *"),
        pytest.param(
            None, {"If-None-Match": '"etag"'}, (501, "NotImplemented"), id="If-None-Match: ETag"
        ),
        pytest.param(
            None,
            {"If-None-Match": "*", "If-Match": '"a"'},
            (501, "NotImplemented"),
            id="both",
        ),
    ],
)
async def test_put_object_writes_only_where_its_condition_holds(
    s3: S3Client,
    bucket: str,
    disk: Disk,
    held: bytes | None,
    condition: dict[str, str],
    refusal: tuple[int, str] | None,
    size: int,
) -> None:
    """Source: S3 User Guide, "Conditional writes"."""
    body = os.urandom(size)
    if held is not None:
        await s3.put(f"/{bucket}/key", body=held)

    answer = await s3.put(f"/{bucket}/key", body=body, headers=condition)

    assert answer.refusal == (refusal or (200, None))
    read = await s3.get(f"/{bucket}/key")
    after = body if refusal is None else held
    assert (read.body if read.status == 200 else None) == after
    assert disk.staged() == []


@pytest.mark.parametrize("size", [4, 100_000], ids=["small", "large"])
async def test_put_object_if_none_match_lets_one_of_many_writers_win(
    s3: S3Client, bucket: str, size: int
) -> None:
    bodies = [os.urandom(size) for _ in range(12)]

    answers = await asyncio.gather(
        *(s3.put(f"/{bucket}/key", body=body, headers={"If-None-Match": "*"}) for body in bodies)
    )

    statuses = [answer.status for answer in answers]
    assert sorted(statuses) == [200] + [412] * 11
    assert (await s3.get(f"/{bucket}/key")).body == bodies[statuses.index(200)]


async def test_put_object_if_match_loses_no_update(s3: S3Client, bucket: str) -> None:
    """Writers that read, add one and write back if nothing changed: every success counts."""
    await s3.put(f"/{bucket}/counter", body=b"0")

    async def add_one() -> None:
        while True:
            read = await s3.get(f"/{bucket}/counter")
            written = await s3.put(
                f"/{bucket}/counter",
                body=str(int(read.body) + 1).encode(),
                headers={"If-Match": read.headers["etag"]},
            )
            if written.status == 200:
                return

    await asyncio.gather(*(add_one() for _ in range(8)))

    assert (await s3.get(f"/{bucket}/counter")).body == b"8"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({"x-amz-storage-class": "COLD"}, 400, "InvalidStorageClass", id="class"),
        pytest.param({"x-amz-storage-class": ""}, 400, "InvalidStorageClass", id="no class"),
        pytest.param({"x-amz-storage-class": "GLACIER"}, 501, "NotImplemented", id="archive"),
        pytest.param({"x-amz-acl": "public-read"}, 501, "NotImplemented", id="public"),
        pytest.param({"x-amz-acl": "everyone"}, 400, "InvalidArgument", id="no such ACL"),
        pytest.param({"x-amz-grant-read": "id=1"}, 501, "NotImplemented", id="grant"),
        pytest.param(
            {"x-amz-server-side-encryption": "AES256"}, 501, "NotImplemented", id="encryption"
        ),
        pytest.param(
            {"x-amz-object-lock-legal-hold": "ON"}, 501, "NotImplemented", id="object lock"
        ),
        pytest.param({"x-amz-write-offset-bytes": "4"}, 501, "NotImplemented", id="append"),
        pytest.param(
            {"x-amz-website-redirect-location": "elsewhere"},
            400,
            "InvalidRedirectLocation",
            id="redirect",
        ),
        pytest.param({"x-amz-meta-a": "a" * 2048}, 400, "MetadataTooLarge", id="metadata"),
        pytest.param({"x-amz-meta-a": "\udcff"}, 400, "InvalidArgument", id="not UTF-8"),
        pytest.param({"Content-Type": "\udcff"}, 400, "InvalidArgument", id="type not UTF-8"),
        pytest.param(
            {"x-amz-checksum-sha512": "A" * 86 + "=="}, 501, "NotImplemented", id="SHA-512"
        ),
    ],
)
async def test_put_object_refuses_a_header_it_cannot_honour(
    s3: S3Client, bucket: str, headers: dict[str, str], status: int, code: str
) -> None:
    refused = await s3.put(f"/{bucket}/key", body=b"body", headers=headers)

    assert refused.refusal == (status, code)
    assert await s3.keys_of(bucket) == []


async def test_put_object_takes_user_metadata_up_to_2_kib(s3: S3Client, bucket: str) -> None:
    """Names count without x-amz-meta-: 1 + 2047 bytes."""
    stored = await s3.put(f"/{bucket}/key", headers={"x-amz-meta-a": "a" * 2047})

    assert stored.status == 200
    assert (await s3.head(f"/{bucket}/key")).headers["x-amz-meta-a"] == "a" * 2047


async def test_put_object_returns_user_metadata_beyond_ascii_as_rfc_2047_words(
    s3: S3Client, bucket: str
) -> None:
    """Source: S3 User Guide, "Working with object metadata", user-defined metadata."""
    await s3.put(f"/{bucket}/key", headers={"x-amz-meta-a": "ÄMÄZÕÑ S3"})

    shown = (await s3.head(f"/{bucket}/key")).headers["x-amz-meta-a"]

    assert shown.isascii()
    assert str(make_header(decode_header(shown))) == "ÄMÄZÕÑ S3"


async def test_put_object_needs_its_bucket(s3: S3Client) -> None:
    refused = await s3.put("/no-such-bucket/key", body=b"body")

    assert refused.refusal == (404, "NoSuchBucket")
    assert refused.error("BucketName") == "no-such-bucket"


async def test_put_object_of_many_writers_leaves_one_whole_body(s3: S3Client, bucket: str) -> None:
    bodies = [bytes([number]) * (200_000 if number % 2 else 100) for number in range(16)]

    answers = await asyncio.gather(*(s3.put(f"/{bucket}/key", body=body) for body in bodies))

    assert [answer.status for answer in answers] == [200] * 16
    assert (await s3.get(f"/{bucket}/key")).body in bodies


async def test_put_object_of_the_same_bytes_under_many_keys(s3: S3Client, bucket: str) -> None:
    """One blob, written by many at once."""
    body = os.urandom(100_000)

    await asyncio.gather(*(s3.put(f"/{bucket}/{number}", body=body) for number in range(16)))

    reads = await asyncio.gather(*(s3.get(f"/{bucket}/{number}") for number in range(16)))
    assert [read.body == body for read in reads] == [True] * 16
