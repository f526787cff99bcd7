"""Source: S3 API reference, ListMultipartUploads."""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

import pytest

from tests.fix_s3 import S3Client
from tests.operations.uploads import Upload, begin

KEYS = ["a", "a/1", "a/2/x", "b", "ä/1", "ä/2", "😀"]


@pytest.fixture
async def uploads(s3: S3Client, bucket: str) -> Sequence[Upload]:
    """An upload of each key, made in another order than that of the keys."""
    return [await begin(s3, bucket, key) for key in reversed(KEYS)]


async def test_uploads_are_listed_by_key(
    s3: S3Client, bucket: str, uploads: Sequence[Upload]
) -> None:
    listed = await s3.get(f"/{bucket}?uploads")

    assert listed.headers["content-type"] == "application/xml"
    assert listed.texts("Upload/Key") == KEYS
    assert listed.texts("Upload/UploadId") == [upload.id for upload in reversed(uploads)]
    assert listed.texts("Bucket") == [bucket]
    assert (listed.texts("MaxUploads"), listed.texts("IsTruncated")) == (["1000"], ["false"])
    assert listed.texts("Upload/StorageClass") == ["STANDARD"] * len(KEYS)
    assert len(set(listed.texts("Upload/Initiator/ID") + listed.texts("Upload/Owner/ID"))) == 1


async def test_uploads_of_one_key_are_listed_in_the_order_of_their_beginning(
    s3: S3Client, bucket: str
) -> None:
    ids = [(await begin(s3, bucket)).id for _ in range(5)]

    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload/UploadId") == ids


@pytest.mark.parametrize(
    ("query", "keys", "prefixes"),
    [
        pytest.param("prefix=a/", ["a/1", "a/2/x"], [], id="prefix"),
        pytest.param("delimiter=/", ["a", "b", "😀"], ["a/", "ä/"], id="delimiter"),
        pytest.param("delimiter=/&prefix=a/", ["a/1"], ["a/2/"], id="delimiter below a prefix"),
        pytest.param("delimiter=/2", ["a", "a/1", "b", "ä/1", "😀"], ["a/2", "ä/2"], id="long"),
        pytest.param("key-marker=a/1", ["a/2/x", "b", "ä/1", "ä/2", "😀"], [], id="marker"),
        pytest.param("key-marker=a/&delimiter=/", ["b", "😀"], ["ä/"], id="behind a prefix"),
        pytest.param("key-marker=z&prefix=a/", [], [], id="a marker behind the prefix"),
        pytest.param("prefix=%F0%9F%98%80", ["😀"], [], id="emoji"),
        pytest.param("prefix=zzz", [], [], id="nothing"),
    ],
)
@pytest.mark.usefixtures("uploads")
async def test_a_listing_is_narrowed(
    s3: S3Client, bucket: str, query: str, keys: list[str], prefixes: list[str]
) -> None:
    listed = await s3.get(f"/{bucket}?uploads&{query}")

    assert listed.texts("Upload/Key") == keys
    assert listed.texts("CommonPrefixes/Prefix") == prefixes
    assert listed.texts("IsTruncated") == ["false"]


@pytest.mark.parametrize("delimiter", ["", "/", "/2"])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.usefixtures("uploads")
async def test_pages_follow_each_other_without_gap_or_overlap(
    s3: S3Client, bucket: str, size: int, delimiter: str
) -> None:
    for _ in range(2):
        await begin(s3, bucket, "b")
    base = f"/{bucket}?uploads" + (f"&delimiter={delimiter}" if delimiter else "")
    whole = await s3.get(base)

    entries: list[str] = []
    sizes: list[int] = []
    query = base
    for _ in range(20):
        page = await s3.get(f"{query}&max-uploads={size}")
        found = page.texts("Upload/UploadId") + page.texts("CommonPrefixes/Prefix")
        entries += found
        sizes.append(len(found))
        if page.texts("IsTruncated") == ["false"]:
            break
        (key,), (upload_id,) = page.texts("NextKeyMarker"), page.texts("NextUploadIdMarker")
        query = f"{base}&key-marker={quote(key)}&upload-id-marker={quote(upload_id)}"

    expected = whole.texts("Upload/UploadId") + whole.texts("CommonPrefixes/Prefix")
    assert sorted(entries) == sorted(expected)
    assert set(sizes[:-1]) <= {size}


async def test_a_page_that_ends_at_an_upload_that_is_aborted_then_loses_no_other(
    s3: S3Client, bucket: str
) -> None:
    uploads = [await begin(s3, bucket) for _ in range(4)]
    page = await s3.get(f"/{bucket}?uploads&max-uploads=2")
    await uploads[1].abort()
    marker = page.texts("NextUploadIdMarker")[0]

    rest = await s3.get(f"/{bucket}?uploads&key-marker=key&upload-id-marker={marker}")

    assert {uploads[2].id, uploads[3].id} <= set(rest.texts("Upload/UploadId"))


async def test_keys_are_url_encoded_where_the_client_asks_for_it(s3: S3Client, bucket: str) -> None:
    await begin(s3, bucket, "a b/+\x01&é")

    plain = await s3.get(f"/{bucket}?uploads&prefix=a%20&delimiter=%26")
    listed = await s3.get(f"/{bucket}?uploads&encoding-type=url&prefix=a%20&delimiter=%26")
    whole = await s3.get(f"/{bucket}?uploads&encoding-type=url")

    assert b"a b/+&#x1;&amp;" in plain.body
    assert listed.texts("CommonPrefixes/Prefix") == ["a%20b/%2B%01%26"]
    assert (listed.texts("Prefix"), listed.texts("Delimiter")) == (["a%20"], ["%26"])
    assert whole.texts("Upload/Key") == ["a%20b/%2B%01%26%C3%A9"]


async def test_a_page_of_no_uploads_is_empty(s3: S3Client, bucket: str) -> None:
    await begin(s3, bucket)

    listed = await s3.get(f"/{bucket}?uploads&max-uploads=0")

    assert (listed.texts("Upload"), listed.texts("IsTruncated")) == ([], ["false"])


@pytest.mark.parametrize(
    "query", ["max-uploads=x", "max-uploads=-1", "encoding-type=x", "prefix=a%00", "delimiter=%00"]
)
async def test_a_listing_refuses_what_makes_no_sense(s3: S3Client, bucket: str, query: str) -> None:
    assert (await s3.get(f"/{bucket}?uploads&{query}")).refusal == (400, "InvalidArgument")


async def test_uploads_show_the_checksum_they_chose(s3: S3Client, bucket: str) -> None:
    await begin(s3, bucket, headers={"x-amz-checksum-algorithm": "SHA256"})

    listed = await s3.get(f"/{bucket}?uploads")

    assert listed.texts("Upload/ChecksumAlgorithm") == ["SHA256"]
    assert listed.texts("Upload/ChecksumType") == ["COMPOSITE"]


@pytest.mark.slow
async def test_a_thousand_uploads_below_a_prefix_are_one_entry(s3: S3Client, bucket: str) -> None:
    for start in range(0, 1000, 100):
        await asyncio.gather(*(begin(s3, bucket, f"many/{start + n}") for n in range(100)))
    await begin(s3, bucket, "zero")

    listed = await s3.get(f"/{bucket}?uploads&delimiter=/&max-uploads=2")

    assert listed.texts("CommonPrefixes/Prefix") == ["many/"]
    assert listed.texts("Upload/Key") == ["zero"]
    assert listed.texts("IsTruncated") == ["false"]
