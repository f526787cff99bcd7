"""Source: S3 API reference, UploadPartCopy; answers of S3 recorded in June 2025."""

import pytest

from tests.fix_s3 import S3Client, path_of
from tests.operations.uploads import (
    MIB,
    MIN_PART,
    SentPart,
    Upload,
    begin,
    random_bytes,
    stored,
)

INLINE = random_bytes(5000)
BLOB = random_bytes(MIN_PART + 3 * MIB, 1)
PARTS = [random_bytes(MIN_PART, 2), random_bytes(MIN_PART + 7, 3), random_bytes(9, 4)]
SOURCES = {"inline": INLINE, "blob": BLOB, "parts": b"".join(PARTS), "empty": b""}


@pytest.fixture
async def sources(s3: S3Client, bucket: str) -> str:
    """The bucket, with an object of every kind of SOURCES."""
    for key in ("inline", "blob", "empty"):
        assert (await s3.put(f"/{bucket}/{key}", body=SOURCES[key])).status == 200
    await stored(s3, bucket, "parts", *PARTS)
    return bucket


async def copied(upload: Upload, number: int, source: str, byte_range: str | None) -> SentPart:
    headers = {"x-amz-copy-source-range": byte_range} if byte_range else {}
    answer = await upload.copy(number, source, headers)
    assert answer.status == 200, answer.body
    return SentPart(number, answer.texts("ETag")[0].strip('"'))


A, B = MIN_PART, 2 * MIN_PART + 7


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        pytest.param("inline", None, None, id="a body in its row"),
        pytest.param("inline", 0, 0, id="the first byte of a body in its row"),
        pytest.param("inline", 17, 4999, id="the end of a body in its row"),
        pytest.param("blob", None, None, id="a blob"),
        pytest.param("blob", MIB - 1, MIB, id="across a block of a blob"),
        pytest.param("blob", 3, len(BLOB) - 1, id="the end of a blob"),
        pytest.param("parts", None, None, id="parts"),
        pytest.param("parts", 0, A - 1, id="exactly a part"),
        pytest.param("parts", A - 1, A, id="across a border"),
        pytest.param("parts", A - 5, B + 5, id="all of one part and some of two"),
        pytest.param("parts", B, B + 8, id="the last part"),
        pytest.param("empty", None, None, id="nothing"),
    ],
)
async def test_a_copied_part_holds_the_bytes_of_its_source(
    s3: S3Client, sources: str, key: str, first: int | None, last: int | None
) -> None:
    upload = await begin(s3, sources, "copy")
    byte_range = None if first is None else f"bytes={first}-{last}"

    part = await copied(upload, 1, f"{sources}/{key}", byte_range)
    completed = await upload.complete([part])

    expected = SOURCES[key] if first is None or last is None else SOURCES[key][first : last + 1]
    assert completed.status == 200
    assert (await s3.get(upload.path)).body == expected


async def test_copied_parts_stand_beside_uploaded_ones(s3: S3Client, sources: str) -> None:
    """And what is made of them can be a source again, now of several slices a part."""
    upload = await begin(s3, sources, "mixed")
    across = f"bytes=1-{B + 3}"
    expected = SOURCES["parts"][1 : B + 4] + BLOB + b"uploaded"
    first = await copied(upload, 1, f"{sources}/parts", across)
    second = await copied(upload, 2, f"{sources}/blob", None)
    third = SentPart(3, (await upload.put(3, b"uploaded")).etag)
    completed = await upload.complete([first, second, third])
    assert completed.status == 200, completed.body

    again = await begin(s3, sources, "again")
    part = await copied(again, 1, f"{sources}/mixed", f"bytes=7-{len(expected) - 2}")
    await again.complete([part])

    read = await s3.get(f"/{sources}/mixed")
    assert read.body == expected
    ranged = await s3.get(f"/{sources}/mixed", headers={"Range": f"bytes={A - 3}-{B + 10}"})
    assert ranged.body == expected[A - 3 : B + 11]
    assert (await s3.get(f"/{sources}/again")).body == expected[7:-1]


async def test_the_checksum_of_the_object_covers_copied_parts(s3: S3Client, sources: str) -> None:
    full = {"x-amz-checksum-algorithm": "CRC64NVME"}
    upload = await begin(s3, sources, "copy", headers=full)
    first = await copied(upload, 1, f"{sources}/blob", None)
    second = await copied(upload, 2, f"{sources}/inline", "bytes=10-19")
    completed = await upload.complete([first, second])
    whole = BLOB + INLINE[10:20]
    await s3.put(f"/{sources}/whole", body=whole)

    enabled = {"x-amz-checksum-mode": "ENABLED"}
    head = await s3.head(f"/{sources}/whole", headers=enabled)

    assert completed.texts("ChecksumCRC64NVME") == [head.headers["x-amz-checksum-crc64nvme"]]


async def test_upload_part_copy_answers_etag_time_and_checksum(s3: S3Client, sources: str) -> None:
    upload = await begin(s3, sources, "copy", headers={"x-amz-checksum-algorithm": "SHA256"})

    answer = await upload.copy(1, f"{sources}/blob")

    assert answer.document.tag == "CopyPartResult"
    listed = await upload.parts()
    for element in ("ETag", "LastModified", "ChecksumSHA256"):
        assert answer.texts(element) == listed.texts(f"Part/{element}") != []


async def test_a_copied_part_outlives_its_source(s3: S3Client, sources: str) -> None:
    upload = await begin(s3, sources, "copy")
    part = await copied(upload, 1, f"{sources}/parts", None)
    await s3.delete(f"/{sources}/parts")

    await upload.complete([part])

    assert (await s3.get(upload.path)).body == SOURCES["parts"]


async def test_a_source_is_named_in_any_spelling_that_s3_takes(s3: S3Client, bucket: str) -> None:
    key = "a b/c+d%2F&é"
    await s3.put(path_of(bucket, key), body=INLINE)
    upload = await begin(s3, bucket, "copy")
    quoted = path_of(bucket, key)

    answers = [await upload.copy(1, source) for source in (quoted, quoted.lstrip("/"))]

    assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    ("byte_range", "refusal"),
    [
        pytest.param("bytes=0-5000", (400, "InvalidArgument"), id="beyond the end"),
        pytest.param("bytes=5000-5001", (400, "InvalidRequest"), id="behind the end"),
        pytest.param("bytes=5-4", (400, "InvalidArgument"), id="backwards"),
        pytest.param("bytes=5-", (400, "InvalidArgument"), id="open"),
        pytest.param("bytes=-5", (400, "InvalidArgument"), id="suffix"),
        pytest.param("0-5", (400, "InvalidArgument"), id="no unit"),
        pytest.param("bytes=0-1,3-4", (400, "InvalidArgument"), id="two"),
    ],
)
async def test_upload_part_copy_refuses_a_range(
    s3: S3Client, sources: str, byte_range: str, refusal: tuple[int, str]
) -> None:
    upload = await begin(s3, sources, "copy")

    answer = await upload.copy(1, f"{sources}/inline", {"x-amz-copy-source-range": byte_range})

    assert answer.refusal == refusal
    assert (await upload.parts()).texts("Part") == []


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        pytest.param("{bucket}/nothing", (404, "NoSuchKey"), id="no such key"),
        pytest.param("no-such-bucket-here/key", (404, "NoSuchBucket"), id="no such bucket"),
        pytest.param("{bucket}", (400, "InvalidArgument"), id="no key"),
        pytest.param("{bucket}/inline?versionId=x", (404, "NoSuchVersion"), id="no such version"),
    ],
)
async def test_upload_part_copy_needs_a_source(
    s3: S3Client, sources: str, source: str, refusal: tuple[int, str]
) -> None:
    upload = await begin(s3, sources, "copy")

    assert (await upload.copy(1, source.format(bucket=sources))).refusal == refusal


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        pytest.param({"x-amz-copy-source-if-match": "{etag}"}, 200, id="match"),
        pytest.param({"x-amz-copy-source-if-match": "x"}, 412, id="no match"),
        pytest.param({"x-amz-copy-source-if-none-match": "x"}, 200, id="none match"),
        pytest.param({"x-amz-copy-source-if-none-match": "{etag}"}, 412, id="match of none"),
        pytest.param(
            {"x-amz-copy-source-if-unmodified-since": "Wed, 21 Oct 2015 07:28:00 GMT"},
            412,
            id="modified",
        ),
        pytest.param(
            {"x-amz-copy-source-if-modified-since": "Wed, 21 Oct 2015 07:28:00 GMT"},
            200,
            id="modified since",
        ),
    ],
)
async def test_conditions_on_the_source_hold(
    s3: S3Client, sources: str, condition: dict[str, str], status: int
) -> None:
    etag = (await s3.head(f"/{sources}/inline")).etag
    upload = await begin(s3, sources, "copy")
    headers = {name: value.format(etag=etag) for name, value in condition.items()}

    assert (await upload.copy(1, f"{sources}/inline", headers)).status == status


async def test_upload_part_copy_needs_an_upload(s3: S3Client, sources: str) -> None:
    nowhere = Upload(s3, f"/{sources}/copy", "A" * 64)

    assert (await nowhere.copy(1, f"{sources}/inline")).refusal == (404, "NoSuchUpload")


async def test_upload_part_copy_refuses_a_number_that_is_none(s3: S3Client, sources: str) -> None:
    upload = await begin(s3, sources, "copy")

    assert (await upload.copy(10_001, f"{sources}/inline")).refusal == (400, "InvalidArgument")
