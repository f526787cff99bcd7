"""ListObjectsV2. Source, unless a test says otherwise: S3 API reference, ListObjectsV2."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote, unquote, urlencode

import pytest

from tests.fix_s3 import S3Client, client_of, path_of, remove_bucket
from tests.fix_server import RunningServer
from tests.operations.listed import KEYS, Expected, listing
from tests.wire import Answer


@pytest.fixture(scope="module")
async def full(server: RunningServer) -> AsyncIterator[str]:
    """The name of a bucket that holds KEYS; nobody changes it."""
    s3 = client_of(server)
    name = f"test-{os.urandom(8).hex()}"
    assert (await s3.put(f"/{name}")).status == 200
    stored = await asyncio.gather(*(s3.put(path_of(name, key)) for key in KEYS))
    assert {answer.status for answer in stored} == {200}
    yield name
    await remove_bucket(s3, name)


async def page(s3: S3Client, bucket: str, **parameters: str | int) -> Answer:
    query = {"list-type": 2, "encoding-type": "url"} | {
        name.replace("_", "-"): value for name, value in parameters.items()
    }
    return await s3.get(f"/{bucket}?{urlencode(query, quote_via=quote)}")


def shown(pages: Sequence[Answer]) -> Expected:
    return Expected(
        [unquote(key) for each in pages for key in each.texts("Contents/Key")],
        [unquote(key) for each in pages for key in each.texts("CommonPrefixes/Prefix")],
    )


async def all_pages(s3: S3Client, bucket: str, **parameters: str | int) -> list[Answer]:
    pages = [await page(s3, bucket, **parameters)]
    while token := pages[-1].texts("NextContinuationToken"):
        assert pages[-1].texts("IsTruncated") == ["true"]
        pages.append(await page(s3, bucket, **parameters, continuation_token=token[0]))
    assert pages[-1].texts("IsTruncated") == ["false"]
    return pages


async def test_list_objects_v2_describes_each_object(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a", body=b"body", headers={"x-amz-storage-class": "STANDARD_IA"})
    head = await s3.head(f"/{bucket}/a")

    listed = await s3.get(f"/{bucket}?list-type=2")

    assert listed.headers["content-type"] == "application/xml"
    assert listed.texts("Name") == [bucket]
    assert (listed.texts("KeyCount"), listed.texts("MaxKeys")) == (["1"], ["1000"])
    assert listed.texts("IsTruncated") == ["false"]
    assert listed.texts("Contents/ETag") == [f'"{hashlib.md5(b"body").hexdigest()}"']
    assert listed.texts("Contents/Size") == ["4"]
    assert listed.texts("Contents/StorageClass") == ["STANDARD_IA"]
    assert listed.texts("Contents/ChecksumAlgorithm") == ["CRC64NVME"]
    assert listed.texts("Contents/ChecksumType") == ["FULL_OBJECT"]
    assert listed.texts("Contents/Owner") == []
    second = head.headers["last-modified"].split()[4]
    assert second in listed.texts("Contents/LastModified")[0]


async def test_list_objects_v2_names_owners_to_who_asks(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a")

    listed = await s3.get(f"/{bucket}?list-type=2&fetch-owner=true")

    assert listed.texts("Contents/Owner/DisplayName") == ["root"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("prefix", "delimiter"),
    [
        pytest.param("", "", id="all"),
        pytest.param("", "/", id="top folders"),
        pytest.param("a", "", id="prefix"),
        pytest.param("a", "/", id="prefix of names and folders"),
        pytest.param("a/", "/", id="folder"),
        pytest.param("a/b", "/", id="name and folder"),
        pytest.param("a//", "/", id="empty folder name"),
        pytest.param("/", "/", id="root of slashes"),
        pytest.param("", "b", id="letter that delimits"),
        pytest.param("", "/b", id="long delimiter"),
        pytest.param("", "//", id="two slashes"),
        pytest.param("", "\x01", id="control character that delimits"),
        pytest.param("", "\U0001f469", id="emoji that delimits"),
        pytest.param("\U0010ffff", "", id="last prefix of all"),
        pytest.param("\ud7ff", "", id="prefix before the surrogates"),
        pytest.param("ä", "/", id="umlaut"),
        pytest.param("nothing", "/", id="nothing"),
        pytest.param("", "nothing", id="delimiter of no key"),
    ],
)
async def test_list_objects_v2_page_by_page(
    s3: S3Client, full: str, prefix: str, delimiter: str, size: int
) -> None:
    pages = await all_pages(s3, full, prefix=prefix, delimiter=delimiter, max_keys=size)

    assert shown(pages) == listing(KEYS, prefix=prefix, delimiter=delimiter)
    counts = [int(each.texts("KeyCount")[0]) for each in pages]
    assert counts[:-1] == [size] * (len(counts) - 1)
    assert counts == [
        len(each.texts("Contents")) + len(each.texts("CommonPrefixes")) for each in pages
    ]


@pytest.mark.parametrize("after", ["a", "a/", "a/b/c", "zzz", "\U0010ffff", "\x01", " ", "a/b/zz"])
@pytest.mark.parametrize("prefix", ["", "a/"])
async def test_list_objects_v2_begins_after_a_key(
    s3: S3Client, full: str, after: str, prefix: str
) -> None:
    pages = await all_pages(s3, full, start_after=after, prefix=prefix, max_keys=5)

    assert shown(pages) == listing(KEYS, prefix=prefix, after=after)
    assert unquote(pages[0].texts("StartAfter")[0]) == after


async def test_list_objects_v2_goes_on_where_the_token_says_whatever_start_after_says(
    s3: S3Client, full: str
) -> None:
    first = await page(s3, full, max_keys=3)
    token = first.texts("NextContinuationToken")[0]

    following = await page(s3, full, max_keys=3, continuation_token=token, start_after="zzz")

    assert shown([first, following]).keys == listing(KEYS).keys[:6]
    assert following.texts("ContinuationToken") == [token]


async def test_list_objects_v2_survives_changes_between_its_pages(
    s3: S3Client, bucket: str
) -> None:
    for key in "abcdef":
        await s3.put(f"/{bucket}/{key}")
    first = await page(s3, bucket, max_keys=3)

    await s3.delete(f"/{bucket}/c")
    await s3.delete(f"/{bucket}/d")
    await s3.put(f"/{bucket}/bb")
    await s3.put(f"/{bucket}/cc")
    token = first.texts("NextContinuationToken")[0]
    rest = await page(s3, bucket, continuation_token=token)

    assert shown([rest]).keys == ["cc", "e", "f"]


async def test_list_objects_v2_of_no_keys_is_not_truncated(s3: S3Client, full: str) -> None:
    listed = await page(s3, full, max_keys=0)

    assert shown([listed]) == Expected([], [])
    assert (listed.texts("MaxKeys"), listed.texts("IsTruncated")) == (["0"], ["false"])


async def test_list_objects_v2_of_more_than_a_thousand_keys_is_a_thousand(
    s3: S3Client, full: str
) -> None:
    assert (await page(s3, full, max_keys=5000)).texts("MaxKeys") == ["1000"]


async def test_list_objects_v2_is_readable_whatever_its_keys(s3: S3Client, full: str) -> None:
    """Without encoding-type a key that XML 1.0 cannot hold is written as S3 writes it."""
    listed = await s3.get(f"/{full}?list-type=2")

    assert listed.status == 200
    assert b"<Key>&#x1;</Key>" in listed.body
    assert b"<Key>&amp;&lt;&gt;</Key>" in listed.body


async def test_list_objects_v2_encodes_all_that_it_says_of_keys(s3: S3Client, bucket: str) -> None:
    await s3.put(path_of(bucket, "a b/c+d/\x01"))

    listed = await page(s3, bucket, prefix="a b/", delimiter="+", start_after="a ")

    assert listed.texts("Prefix") == ["a%20b/"]
    assert listed.texts("Delimiter") == ["%2B"]
    assert listed.texts("StartAfter") == ["a%20"]
    assert listed.texts("CommonPrefixes/Prefix") == ["a%20b/c%2B"]
    assert listed.texts("EncodingType") == ["url"]


@pytest.mark.parametrize(
    "query",
    [
        "max-keys=-1",
        "max-keys=a",
        "max-keys=1_0",
        "max-keys=%2B1",
        "max-keys=1.0",
        "max-keys=%D9%A1",
        "max-keys=2147483648",
        "max-keys=99999999999999999999999",
        "continuation-token=",
        "continuation-token=rubbish",
        "continuation-token=%00",
        "continuation-token=AQFh%0A",
        "encoding-type=base64",
        "encoding-type=",
        "prefix=a%00",
        "delimiter=%00",
        "start-after=%00",
        "delimiter=%F4%8F%BF%BF",
    ],
)
async def test_list_objects_v2_refuses_an_argument_that_is_none(
    s3: S3Client, bucket: str, query: str
) -> None:
    refused = await s3.get(f"/{bucket}?list-type=2&{query}")

    assert refused.refusal == (400, "InvalidArgument")


async def test_list_objects_v2_of_no_bucket(s3: S3Client) -> None:
    assert (await s3.get("/no-such-bucket?list-type=2")).refusal == (404, "NoSuchBucket")


async def test_list_objects_v2_agrees_with_what_was_acknowledged(s3: S3Client, bucket: str) -> None:
    for number in range(20):
        await s3.put(f"/{bucket}/{number:02}", body=b"x" * number)

        listed = await s3.get(f"/{bucket}?list-type=2")

        assert listed.texts("Contents/Size") == [str(size) for size in range(number + 1)]
