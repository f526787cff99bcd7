"""CopyObject. Source, unless a test says otherwise: S3 API reference, CopyObject."""

import base64
import hashlib
import os
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.fix_s3 import S3Client, path_of
from tests.wire import Answer

ETAG = f'"{hashlib.md5(b"body").hexdigest()}"'
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


async def copy(
    s3: S3Client, source: str, target: str, headers: dict[str, str] | None = None
) -> Answer:
    return await s3.put(target, headers={"x-amz-copy-source": source, **(headers or {})})


@pytest.mark.parametrize("size", [0, 10, 8192, 8193, 3 << 20])
async def test_copy_object_copies_the_body_and_what_is_said_of_it(
    s3: S3Client, bucket: str, size: int
) -> None:
    body = os.urandom(size)
    said = {
        "Content-Type": "text/plain",
        "Cache-Control": "no-cache",
        "x-amz-meta-colour": "red",
    }
    await s3.put(f"/{bucket}/a", body=body, headers=said)

    copied = await copy(s3, f"{bucket}/a", f"/{bucket}/b")

    assert copied.status == 200
    assert copied.texts("ETag") == [f'"{hashlib.md5(body).hexdigest()}"']
    read = await s3.get(f"/{bucket}/b")
    assert read.body == body
    assert {name: read.headers[name.lower()] for name in said} == said


async def test_copy_object_outlives_its_source(s3: S3Client, bucket: str) -> None:
    body = os.urandom(100_000)
    await s3.put(f"/{bucket}/a", body=body)
    await copy(s3, f"{bucket}/a", f"/{bucket}/b")

    await s3.delete(f"/{bucket}/a")

    assert (await s3.get(f"/{bucket}/b")).body == body


async def test_copy_object_replaces_what_is_said_where_it_is_told_to(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/a", headers={"Content-Type": "text/plain", "x-amz-meta-colour": "red"})

    await copy(
        s3,
        f"{bucket}/a",
        f"/{bucket}/b",
        {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-size": "small"},
    )

    shown = (await s3.head(f"/{bucket}/b")).headers
    assert (shown["content-type"], shown["x-amz-meta-size"]) == ("binary/octet-stream", "small")
    assert "x-amz-meta-colour" not in shown


async def test_copy_object_ignores_metadata_it_is_not_told_to_replace(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/a", headers={"x-amz-meta-colour": "red"})

    await copy(s3, f"{bucket}/a", f"/{bucket}/b", {"x-amz-meta-colour": "green"})

    assert (await s3.head(f"/{bucket}/b")).headers["x-amz-meta-colour"] == "red"


async def test_copy_object_has_a_storage_class_of_its_own(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a", headers={"x-amz-storage-class": "STANDARD_IA"})

    await copy(s3, f"{bucket}/a", f"/{bucket}/b")
    await copy(s3, f"{bucket}/a", f"/{bucket}/c", {"x-amz-storage-class": "ONEZONE_IA"})

    heads = [await s3.head(f"/{bucket}/{key}") for key in "bc"]
    assert [head.headers.get("x-amz-storage-class") for head in heads] == [None, "ONEZONE_IA"]


async def test_copy_object_onto_itself_must_change_something(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a", body=b"body", headers={"x-amz-meta-colour": "red"})

    refused = await copy(s3, f"{bucket}/a", f"/{bucket}/a")
    changed = await copy(s3, f"{bucket}/a", f"/{bucket}/a", {"x-amz-metadata-directive": "REPLACE"})

    assert refused.refusal == (400, "InvalidRequest")
    assert changed.status == 200
    read = await s3.get(f"/{bucket}/a")
    assert read.body == b"body"
    assert "x-amz-meta-colour" not in read.headers


@pytest.mark.parametrize(
    "key",
    ["a b", "a+b", "a%20b", "a?versionId=b", "ü", "\U0001f469\u200d\U0001f467", "\x01", "a//b"],
)
async def test_copy_object_reads_its_source_percent_encoded(
    s3: S3Client, bucket: str, key: str
) -> None:
    await s3.put(path_of(bucket, key), body=b"body")

    sources = [quote(f"{bucket}/{key}"), "/" + quote(f"{bucket}/{key}", safe="")]
    answers = [await copy(s3, source, f"/{bucket}/copy") for source in sources]

    assert [answer.status for answer in answers] == [200, 200]


async def test_copy_object_reads_a_plus_in_its_source_as_a_space(s3: S3Client, bucket: str) -> None:
    """s5cmd encodes spaces so, and S3 reads them so."""
    await s3.put(f"/{bucket}/a%20b", body=b"body")

    assert (await copy(s3, f"{bucket}/a+b", f"/{bucket}/copy")).status == 200


def crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("CRC32", crc32),
        ("SHA1", lambda body: hashlib.sha1(body).digest()),
        ("SHA256", lambda body: hashlib.sha256(body).digest()),
    ],
)
@pytest.mark.parametrize("size", [10, 3 << 20], ids=["inline", "file"])
async def test_copy_object_computes_the_checksum_it_is_asked_for(
    s3: S3Client, bucket: str, algorithm: str, digest: Callable[[bytes], bytes], size: int
) -> None:
    body = os.urandom(size)
    await s3.put(f"/{bucket}/a", body=body)

    copied = await copy(s3, f"{bucket}/a", f"/{bucket}/b", {"x-amz-checksum-algorithm": algorithm})

    value = base64.b64encode(digest(body)).decode()
    head = await s3.head(f"/{bucket}/b", headers={"x-amz-checksum-mode": "ENABLED"})
    assert copied.texts(f"Checksum{algorithm}") == [value]
    assert head.headers[f"x-amz-checksum-{algorithm.lower()}"] == value


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        pytest.param({"if-match": ETAG}, 200, id="match"),
        pytest.param({"if-match": '"a"'}, 412, id="no match"),
        pytest.param({"if-none-match": '"a"'}, 200, id="another one"),
        pytest.param({"if-none-match": ETAG}, 412, id="the same"),
        pytest.param({"if-modified-since": PAST}, 200, id="modified since"),
        pytest.param({"if-unmodified-since": PAST}, 412, id="modified meanwhile"),
        pytest.param({"if-unmodified-since": FUTURE}, 200, id="not modified meanwhile"),
        pytest.param({"if-match": ETAG, "if-unmodified-since": PAST}, 200, id="ETag before date"),
        pytest.param({"if-unmodified-since": "rubbish"}, 400, id="no date"),
    ],
)
async def test_copy_object_copies_only_where_the_conditions_on_its_source_hold(
    s3: S3Client, bucket: str, conditions: dict[str, str], status: int
) -> None:
    await s3.put(f"/{bucket}/a", body=b"body")
    headers = {f"x-amz-copy-source-{name}": value for name, value in conditions.items()}

    copied = await copy(s3, f"{bucket}/a", f"/{bucket}/b", headers)

    assert copied.status == status
    assert await s3.keys_of(bucket) == (["a", "b"] if status == 200 else ["a"])


@pytest.mark.parametrize(
    ("condition", "refusal"),
    [
        pytest.param({"If-None-Match": "*"}, (412, "PreconditionFailed"), id="something is there"),
        pytest.param({"If-Match": '"a"'}, (412, "PreconditionFailed"), id="not as it was"),
        pytest.param({"If-Match": ETAG}, None, id="as it was"),
    ],
)
@pytest.mark.parametrize("size", [10, 100_000], ids=["inline", "file"])
async def test_copy_object_writes_only_where_the_condition_on_its_target_holds(
    s3: S3Client, bucket: str, condition: dict[str, str], refusal: tuple[int, str] | None, size: int
) -> None:
    source = os.urandom(size)
    await s3.put(f"/{bucket}/a", body=source)
    await s3.put(f"/{bucket}/b", body=b"body")

    copied = await copy(s3, f"{bucket}/a", f"/{bucket}/b", condition)

    assert copied.refusal == (refusal or (200, None))
    assert (await s3.get(f"/{bucket}/b")).body == (source if refusal is None else b"body")


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        pytest.param("{bucket}/nothing", (404, "NoSuchKey"), id="no key"),
        pytest.param("no-such-bucket/a", (404, "NoSuchBucket"), id="no bucket"),
        pytest.param("{bucket}/a?versionId=abc", (404, "NoSuchVersion"), id="no version"),
        pytest.param("{bucket}/a?versionId=", (400, "InvalidArgument"), id="empty version"),
        pytest.param("{bucket}", (400, "InvalidArgument"), id="bucket alone"),
        pytest.param("{bucket}/", (400, "InvalidArgument"), id="empty key"),
        pytest.param("", (400, "InvalidArgument"), id="nothing"),
        pytest.param("/", (400, "InvalidArgument"), id="slash"),
        pytest.param("Photos/a", (400, "InvalidArgument"), id="no name of a bucket"),
        pytest.param("{bucket}/%zz", (400, "InvalidArgument"), id="broken escape"),
        pytest.param("{bucket}/%ff", (400, "InvalidArgument"), id="not UTF-8"),
        pytest.param("{bucket}/\udcff", (400, "InvalidArgument"), id="raw bytes"),
        pytest.param("{bucket}/../a", (400, "InvalidArgument"), id="above the bucket"),
        pytest.param("{bucket}/a%00", (400, "InvalidArgument"), id="NUL"),
        pytest.param("{bucket}/" + "x" * 1025, (400, "KeyTooLongError"), id="long key"),
        pytest.param("arn:aws:s3:::accesspoint/a", (501, "NotImplemented"), id="access point"),
    ],
)
async def test_copy_object_refuses_a_source_that_is_none(
    s3: S3Client, bucket: str, source: str, refusal: tuple[int, str]
) -> None:
    await s3.put(f"/{bucket}/a", body=b"body")

    refused = await copy(s3, source.format(bucket=bucket), f"/{bucket}/b")

    assert refused.refusal == refusal
    assert await s3.keys_of(bucket) == ["a"]


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param(
            {"x-amz-metadata-directive": "MAYBE"}, (400, "InvalidArgument"), id="directive"
        ),
        pytest.param({"x-amz-storage-class": "COLD"}, (400, "InvalidStorageClass"), id="class"),
        pytest.param({"x-amz-checksum-algorithm": "CRC33"}, (400, "InvalidRequest"), id="CRC33"),
        pytest.param({"x-amz-acl": "public-read"}, (501, "NotImplemented"), id="ACL"),
        pytest.param(
            {"x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256"},
            (501, "NotImplemented"),
            id="encrypted source",
        ),
        pytest.param(
            {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "a" * 2048},
            (400, "MetadataTooLarge"),
            id="metadata",
        ),
    ],
)
async def test_copy_object_refuses_a_header_it_cannot_honour(
    s3: S3Client, bucket: str, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    await s3.put(f"/{bucket}/a", body=b"body")

    assert (await copy(s3, f"{bucket}/a", f"/{bucket}/b", headers)).refusal == refusal
    assert await s3.keys_of(bucket) == ["a"]


async def test_copy_object_does_not_store_a_body_that_comes_along(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/a", body=b"body")

    copied = await s3.put(
        f"/{bucket}/b", body=b"another", headers={"x-amz-copy-source": f"{bucket}/a"}
    )

    assert copied.status == 200
    assert (await s3.get(f"/{bucket}/b")).body == b"body"


async def test_copy_object_from_one_bucket_to_another(s3: S3Client, bucket: str) -> None:
    other = f"{bucket}-other"
    await s3.put(f"/{other}")
    await s3.put(f"/{other}/a", body=os.urandom(100_000))

    copied = await copy(s3, f"/{other}/a", f"/{bucket}/b")

    assert copied.status == 200
    await s3.delete(f"/{other}/a")
    assert (await s3.delete(f"/{other}")).status == 204
    assert (await s3.get(f"/{bucket}/b")).status == 200
