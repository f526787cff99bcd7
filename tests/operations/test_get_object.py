"""GetObject. Source, unless a test says otherwise: S3 API reference, GetObject."""

import hashlib
import os
from urllib.parse import quote

import pytest

from tests.fix_s3 import S3Client

INLINE, FILE = b"0123456789", bytes(range(256)) * 9000  # 2,304,000 bytes: three blocks


@pytest.mark.parametrize("body", [b"", INLINE, FILE], ids=["empty", "inline", "file"])
async def test_get_object_returns_the_body_and_its_headers(
    s3: S3Client, bucket: str, body: bytes
) -> None:
    await s3.put(f"/{bucket}/key", body=body)

    read = await s3.get(f"/{bucket}/key")

    assert (read.status, read.body) == (200, body)
    assert read.etag == hashlib.md5(body).hexdigest()
    assert read.headers["accept-ranges"] == "bytes"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["last-modified"].endswith(" GMT")
    assert "x-amz-checksum-crc64nvme" not in read.headers
    assert "content-range" not in read.headers


@pytest.mark.parametrize("body", [INLINE, FILE], ids=["inline", "file"])
@pytest.mark.parametrize(
    ("header", "first", "end"),
    [
        pytest.param("bytes=0-0", 0, 1, id="first byte"),
        pytest.param("bytes=2-5", 2, 6, id="within"),
        pytest.param("bytes=5-", 5, None, id="to the end"),
        pytest.param("bytes=-3", -3, None, id="suffix"),
        pytest.param("bytes=-99999999", 0, None, id="suffix longer than the object"),
        pytest.param("bytes=3-99999999999999999999", 3, None, id="end beyond the object"),
        pytest.param("BYTES=2-5", 2, 6, id="capitals"),
        pytest.param("bytes=9-9", 9, 10, id="one byte"),
    ],
)
async def test_get_object_returns_a_range(
    s3: S3Client, bucket: str, body: bytes, header: str, first: int, end: int | None
) -> None:
    """Source: RFC 9110 section 14.1.2."""
    await s3.put(f"/{bucket}/key", body=body)

    read = await s3.get(f"/{bucket}/key", headers={"Range": header})

    begin = first % len(body)
    expected = body[begin:end]
    assert (read.status, read.body) == (206, expected)
    assert read.headers["content-length"] == str(len(expected))
    shown = f"bytes {begin}-{begin + len(expected) - 1}/{len(body)}"
    assert read.headers["content-range"] == shown
    assert read.etag == hashlib.md5(body).hexdigest()


@pytest.mark.parametrize("edge", [1 << 20, 2 << 20])
async def test_get_object_returns_ranges_across_the_blocks_of_a_file(
    s3: S3Client, bucket: str, edge: int
) -> None:
    await s3.put(f"/{bucket}/key", body=FILE)

    read = await s3.get(f"/{bucket}/key", headers={"Range": f"bytes={edge - 1}-{edge}"})

    assert (read.status, read.body) == (206, FILE[edge - 1 : edge + 1])


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("bytes=0-1,3-4", id="two ranges"),
        pytest.param("bytes=5-2", id="last before first"),
        pytest.param("bytes=-", id="no number"),
        pytest.param("bytes=a-b", id="letters"),
        pytest.param("bytes=1_0-", id="underscore"),
        pytest.param("bytes=\u0661-", id="digit of another script"),
        pytest.param("bytes=0-1\udcff", id="not UTF-8"),
        pytest.param("bytes= 0-1", id="blank"),
        pytest.param("bytes=" + "9" * 5000 + "-", id="5,000 digits"),
        pytest.param("lines=0-1", id="another unit"),
        pytest.param("rubbish", id="rubbish"),
    ],
)
async def test_get_object_ignores_a_range_that_is_not_one(
    s3: S3Client, bucket: str, header: str
) -> None:
    """RFC 9110 section 14.2 lets a server answer the whole object."""
    await s3.put(f"/{bucket}/key", body=INLINE)

    read = await s3.get(f"/{bucket}/key", headers={"Range": header})

    assert (read.status, read.body) == (200, INLINE)


@pytest.mark.parametrize(
    ("size", "header"),
    [
        pytest.param(10, "bytes=10-", id="behind the end"),
        pytest.param(10, "bytes=10-20", id="all behind the end"),
        pytest.param(10, "bytes=99999999999999999999-", id="far behind"),
        pytest.param(10, "bytes=-0", id="no bytes from the end"),
        pytest.param(0, "bytes=0-", id="of an empty object"),
        pytest.param(0, "bytes=-5", id="suffix of an empty object"),
    ],
)
async def test_get_object_refuses_a_range_that_selects_nothing(
    s3: S3Client, bucket: str, size: int, header: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"x" * size)

    refused = await s3.get(f"/{bucket}/key", headers={"Range": header})

    assert refused.refusal == (416, "InvalidRange")
    assert refused.headers["content-range"] == f"bytes */{size}"
    assert refused.error("ActualObjectSize") == str(size)
    assert refused.error("RangeRequested") == header


ETAG = f'"{hashlib.md5(INLINE).hexdigest()}"'
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        pytest.param({"If-Match": ETAG}, 200, id="match"),
        pytest.param({"If-Match": f'"a", {ETAG}'}, 200, id="match in a list"),
        pytest.param({"If-Match": "*"}, 200, id="match of anything"),
        pytest.param({"If-Match": '"a"'}, 412, id="no match"),
        pytest.param({"If-Match": f"W/{ETAG}"}, 412, id="weak match"),
        pytest.param({"If-None-Match": ETAG}, 304, id="still the same"),
        pytest.param({"If-None-Match": f"W/{ETAG}"}, 304, id="weakly the same"),
        pytest.param({"If-None-Match": "*"}, 304, id="there is one"),
        pytest.param({"If-None-Match": '"a"'}, 200, id="another one"),
        pytest.param({"If-Modified-Since": PAST}, 200, id="modified since"),
        pytest.param({"If-Modified-Since": FUTURE}, 200, id="since the future"),
        pytest.param({"If-Modified-Since": "rubbish"}, 200, id="since no time"),
        pytest.param({"If-Unmodified-Since": PAST}, 412, id="modified meanwhile"),
        pytest.param({"If-Unmodified-Since": FUTURE}, 200, id="not modified meanwhile"),
        pytest.param({"If-Unmodified-Since": "rubbish"}, 200, id="until no time"),
        pytest.param({"If-Match": ETAG, "If-Unmodified-Since": PAST}, 200, id="ETag before date"),
        pytest.param({"If-None-Match": '"a"', "If-Modified-Since": FUTURE}, 200, id="both"),
        pytest.param({"If-Match": '"a"', "If-None-Match": ETAG}, 412, id="match comes first"),
    ],
)
async def test_get_object_reads_only_where_its_conditions_hold(
    s3: S3Client, bucket: str, conditions: dict[str, str], status: int
) -> None:
    """Source: RFC 9110 section 13.2.2."""
    await s3.put(f"/{bucket}/key", body=INLINE)

    read = await s3.get(f"/{bucket}/key", headers=conditions)

    assert read.status == status
    assert read.error_code == {200: None, 304: None, 412: "PreconditionFailed"}[status]
    assert read.headers.get("etag") == (None if status == 412 else ETAG)


async def test_get_object_not_modified_since_its_last_modified(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)
    shown = (await s3.head(f"/{bucket}/key")).headers["last-modified"]

    answers = [
        await s3.get(f"/{bucket}/key", headers={name: shown})
        for name in ("If-Modified-Since", "If-Unmodified-Since")
    ]

    assert [answer.status for answer in answers] == [304, 200]


async def test_get_object_that_is_not_modified_has_no_body_and_keeps_the_connection(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)
    async with s3.connected() as wire:
        answer = await s3.on(wire).get(f"/{bucket}/key", headers={"If-None-Match": ETAG})
        following = await s3.on(wire).get(f"/{bucket}/key")

    assert answer.status == 304
    assert "last-modified" in answer.headers
    assert "content-length" not in answer.headers
    assert following.body == INLINE


async def test_get_object_decides_its_conditions_before_its_range(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)

    headers = {"If-None-Match": ETAG, "Range": "bytes=99-"}

    assert (await s3.get(f"/{bucket}/key", headers=headers)).status == 304


@pytest.mark.parametrize(
    ("if_range", "status", "body"),
    [
        pytest.param(ETAG, 206, INLINE[2:6], id="still the same"),
        pytest.param('"a"', 200, INLINE, id="another one"),
        pytest.param(f"W/{ETAG}", 200, INLINE, id="weakly the same"),
        pytest.param(PAST, 200, INLINE, id="of another time"),
        pytest.param("rubbish", 200, INLINE, id="neither ETag nor date"),
    ],
)
async def test_get_object_returns_the_range_only_of_the_version_that_if_range_names(
    s3: S3Client, bucket: str, if_range: str, status: int, body: bytes
) -> None:
    """Source: RFC 9110 section 13.1.5."""
    await s3.put(f"/{bucket}/key", body=INLINE)

    headers = {"Range": "bytes=2-5", "If-Range": if_range}
    read = await s3.get(f"/{bucket}/key", headers=headers)

    assert (read.status, read.body) == (status, body)
    assert ("content-range" in read.headers) == (status == 206)


async def test_get_object_takes_its_last_modified_as_if_range(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)
    shown = (await s3.head(f"/{bucket}/key")).headers["last-modified"]

    headers = {"Range": "bytes=2-5", "If-Range": shown}

    assert (await s3.get(f"/{bucket}/key", headers=headers)).status == 206


async def test_get_object_does_not_judge_a_range_that_if_range_takes_away(
    s3: S3Client, bucket: str
) -> None:
    """A client that goes on with a longer object that was replaced meanwhile."""
    await s3.put(f"/{bucket}/key", body=INLINE)

    headers = {"Range": "bytes=99-", "If-Range": '"a"'}
    read = await s3.get(f"/{bucket}/key", headers=headers)

    assert (read.status, read.body) == (200, INLINE)


async def test_get_object_answers_with_the_headers_that_the_query_overrides(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE, headers={"Content-Type": "text/plain"})
    overrides = {
        "response-content-type": "text/html; a=b",
        "response-content-language": "de",
        "response-expires": "never",
        "response-cache-control": "no-store",
        "response-content-disposition": 'attachment; filename="a b.txt"',
        "response-content-encoding": "br",
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in overrides.items())

    read = await s3.get(f"/{bucket}/key?{query}")

    assert {name: read.headers[name.removeprefix("response-")] for name in overrides} == overrides


@pytest.mark.parametrize("value", ["a%0d%0ab:c", "a%00", "%e2%82%ac", "a%0a"])
async def test_get_object_refuses_an_override_that_is_no_header(
    s3: S3Client, bucket: str, value: str
) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)

    refused = await s3.get(f"/{bucket}/key?response-cache-control={value}")

    assert refused.refusal == (400, "InvalidArgument")


async def test_get_object_shows_the_checksum_to_who_asks(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"123456789")

    read = await s3.get(f"/{bucket}/key", headers={"x-amz-checksum-mode": "ENABLED"})

    assert read.headers["x-amz-checksum-crc64nvme"] == "rosUhgp5mIg="
    assert read.headers["x-amz-checksum-type"] == "FULL_OBJECT"


async def test_get_object_shows_no_checksum_beside_a_range(s3: S3Client, bucket: str) -> None:
    """A client would compare it with the bytes it got."""
    await s3.put(f"/{bucket}/key", body=INLINE)

    headers = {"x-amz-checksum-mode": "ENABLED", "Range": "bytes=0-1"}
    read = await s3.get(f"/{bucket}/key", headers=headers)

    assert not [name for name in read.headers if name.startswith("x-amz-checksum")]


async def test_get_object_part_1_of_an_object_without_parts_is_the_whole(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)

    read = await s3.get(f"/{bucket}/key?partNumber=1")

    assert (read.status, read.body) == (206, INLINE)
    assert read.headers["content-range"] == "bytes 0-9/10"


@pytest.mark.parametrize(
    ("query", "headers", "refusal"),
    [
        pytest.param("partNumber=2", {}, (416, "InvalidPartNumber"), id="no such part"),
        pytest.param("partNumber=0", {}, (400, "InvalidArgument"), id="part 0"),
        pytest.param("partNumber=10001", {}, (400, "InvalidArgument"), id="part 10,001"),
        pytest.param("partNumber=1_0", {}, (400, "InvalidArgument"), id="underscore"),
        pytest.param("partNumber=%2B1", {}, (400, "InvalidArgument"), id="plus"),
        pytest.param("partNumber=", {}, (400, "InvalidArgument"), id="no number"),
        pytest.param("partNumber=%D9%A1", {}, (400, "InvalidArgument"), id="another script"),
        pytest.param(
            "partNumber=1", {"Range": "bytes=0-1"}, (400, "InvalidRequest"), id="and a range"
        ),
        pytest.param("versionId=", {}, (400, "InvalidArgument"), id="no version id"),
        pytest.param("versionId=abc", {}, (404, "NoSuchVersion"), id="no such version"),
    ],
)
async def test_get_object_refuses_what_the_object_does_not_have(
    s3: S3Client, bucket: str, query: str, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)

    assert (await s3.get(f"/{bucket}/key?{query}", headers=headers)).refusal == refusal


async def test_get_object_of_the_null_version_is_the_object(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=INLINE)

    assert (await s3.get(f"/{bucket}/key?versionId=null")).body == INLINE


async def test_get_object_names_the_key_that_is_not_there(s3: S3Client, bucket: str) -> None:
    refused = await s3.get(f"/{bucket}/a%20b%26%3C%01")

    assert refused.refusal == (404, "NoSuchKey")
    assert refused.error("Key") == "a b&<\ufffd"
    assert refused.error("Resource") is None


async def test_get_object_reads_what_was_replaced_to_its_end(s3: S3Client, bucket: str) -> None:
    """A reader keeps the version it began with."""
    body = os.urandom(16 << 20)
    await s3.put(f"/{bucket}/key", body=body)
    async with s3.connected() as wire:
        await wire.send(s3.message("GET", f"/{bucket}/key"))
        begin = await wire.read(1000)
        await s3.delete(f"/{bucket}/key")
        head_size = begin.index(b"\r\n\r\n") + 4
        rest = await wire.read(len(body) + head_size - 1000)

    assert begin[head_size:] + rest == body
