"""Objects of parts, read by range, by part and as a copy.

Source: S3 API reference, GetObject, "partNumber", and CopyObject.
"""

import os

import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer
from tests.operations.uploads import MIN_PART, random_bytes, stored

FIRST, SECOND, LAST = random_bytes(MIN_PART, 1), random_bytes(MIN_PART + 1, 2), b"the last"
WHOLE = FIRST + SECOND + LAST


@pytest.fixture(scope="module")
async def whole(server: RunningServer) -> str:
    """The path of an object of FIRST, SECOND and LAST."""
    s3 = client_of(server)
    bucket = f"whole-{os.urandom(8).hex()}"
    await s3.put(f"/{bucket}")
    return (await stored(s3, bucket, "key", FIRST, SECOND, LAST)).path


A, B, END = len(FIRST), len(FIRST + SECOND), len(WHOLE)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(0, 0, id="first byte"),
        pytest.param(0, A - 1, id="exactly the first part"),
        pytest.param(A - 1, A, id="across the first border"),
        pytest.param(A, B - 1, id="exactly the second part"),
        pytest.param(A - 1, B, id="the second part and a byte on each side"),
        pytest.param(B - 1, END - 1, id="across the second border to the end"),
        pytest.param(B, END - 1, id="exactly the last part"),
        pytest.param(A + (1 << 20) - 1, A + (1 << 20), id="across a block of the second part"),
        pytest.param(0, END - 1, id="everything"),
    ],
)
async def test_ranges_lie_across_parts(s3: S3Client, whole: str, first: int, last: int) -> None:
    read = await s3.get(whole, headers={"Range": f"bytes={first}-{last}"})

    assert (read.status, read.headers["content-range"]) == (206, f"bytes {first}-{last}/{END}")
    assert read.body == WHOLE[first : last + 1]


@pytest.mark.parametrize(("number", "body"), [(1, FIRST), (2, SECOND), (3, LAST)])
async def test_part_number_reads_one_part_and_tells_how_many_there_are(
    s3: S3Client, whole: str, number: int, body: bytes
) -> None:
    read = await s3.get(f"{whole}?partNumber={number}")
    head = await s3.head(f"{whole}?partNumber={number}")

    assert read.status == head.status == 206
    assert read.body == body
    for answer in (read, head):
        assert answer.headers["x-amz-mp-parts-count"] == "3"
        assert answer.headers["content-length"] == str(len(body))
        assert answer.headers["content-range"] == head.headers["content-range"]


async def test_an_empty_part_has_no_content_range(s3: S3Client, bucket: str) -> None:
    """RFC 9110 section 14.4: a range ends no earlier than it begins."""
    path = (await stored(s3, bucket, "key", FIRST, b"")).path

    read = await s3.get(f"{path}?partNumber=2")

    assert (read.status, read.body) == (206, b"")
    assert read.headers["content-length"] == "0"
    assert "content-range" not in read.headers


async def test_a_part_beyond_the_last_cannot_be_read(s3: S3Client, whole: str) -> None:
    assert (await s3.get(f"{whole}?partNumber=4")).refusal == (416, "InvalidPartNumber")


async def test_a_copy_of_an_object_of_parts_reads_as_the_object(
    s3: S3Client, bucket: str, whole: str
) -> None:
    copied = await s3.request(
        "PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": whole.lstrip("/")}
    )

    read = await s3.get(f"/{bucket}/copy")
    part = await s3.get(f"/{bucket}/copy?partNumber=2")
    assert copied.status == 200
    assert read.body == WHOLE
    assert part.body == SECOND


async def test_a_copy_outlives_the_object_it_was_made_of(s3: S3Client, bucket: str) -> None:
    original = await stored(s3, bucket, "original", FIRST, LAST)
    source = {"x-amz-copy-source": f"{bucket}/original"}
    await s3.request("PUT", f"/{bucket}/copy", headers=source)
    await s3.delete(original.path)

    assert (await s3.get(f"/{bucket}/copy")).body == FIRST + LAST


async def test_attributes_of_no_parts_are_not_truncated(s3: S3Client, whole: str) -> None:
    """A client would ask for the next page of none for ever."""
    headers = {"x-amz-object-attributes": "ObjectParts", "x-amz-max-parts": "0"}

    told = await s3.get(f"{whole}?attributes", headers=headers)

    assert told.texts("ObjectParts/IsTruncated") == ["false"]
    assert told.texts("ObjectParts/NextPartNumberMarker") == []
    assert told.texts("ObjectParts/Part") == []
