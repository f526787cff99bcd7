"""ListObjects, version 1. Source, unless a test says otherwise: S3 API reference, ListObjects."""

import asyncio
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
    await asyncio.gather(*(s3.put(path_of(name, key)) for key in KEYS))
    yield name
    await remove_bucket(s3, name)


async def page(s3: S3Client, bucket: str, **parameters: str | int) -> Answer:
    query = {"encoding-type": "url"} | {
        name.replace("_", "-"): value for name, value in parameters.items()
    }
    return await s3.get(f"/{bucket}?{urlencode(query, quote_via=quote)}")


def shown(pages: Sequence[Answer]) -> Expected:
    return Expected(
        [unquote(key) for each in pages for key in each.texts("Contents/Key")],
        [unquote(key) for each in pages for key in each.texts("CommonPrefixes/Prefix")],
    )


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("prefix", "delimiter"),
    [("", "/"), ("a", "/"), ("a/", "/"), ("", "b"), ("", "//"), ("/", "/"), ("", "\U0001f469")],
)
async def test_list_objects_page_by_page_with_a_delimiter(
    s3: S3Client, full: str, prefix: str, delimiter: str, size: int
) -> None:
    """Beside a delimiter S3 names the next marker, which may be a common prefix."""
    query: dict[str, str | int] = {"prefix": prefix, "delimiter": delimiter, "max_keys": size}
    pages = [await page(s3, full, **query)]
    while following := pages[-1].texts("NextMarker"):
        pages.append(await page(s3, full, **query, marker=unquote(following[0])))

    assert shown(pages) == listing(KEYS, prefix=prefix, delimiter=delimiter)
    assert pages[-1].texts("IsTruncated") == ["false"]


@pytest.mark.parametrize("size", [1, 4, 1000])
async def test_list_objects_page_by_page_without_a_delimiter(
    s3: S3Client, full: str, size: int
) -> None:
    """Without one the last key is the next marker."""
    pages = [await page(s3, full, max_keys=size)]
    while pages[-1].texts("IsTruncated") == ["true"]:
        assert pages[-1].texts("NextMarker") == []
        marker = unquote(pages[-1].texts("Contents/Key")[-1])
        pages.append(await page(s3, full, max_keys=size, marker=marker))

    assert shown(pages) == listing(KEYS)


async def test_list_objects_repeats_what_it_was_asked(s3: S3Client, bucket: str) -> None:
    await s3.put(path_of(bucket, "a b/c"))

    listed = await s3.get(f"/{bucket}?prefix=a%20&delimiter=/&marker=a&max-keys=7")

    assert [listed.texts(name)[0] for name in ("Name", "Prefix", "Marker", "Delimiter")] == [
        bucket,
        "a ",
        "a",
        "/",
    ]
    assert listed.texts("MaxKeys") == ["7"]
    assert listed.texts("CommonPrefixes/Prefix") == ["a b/"]


async def test_list_objects_names_owners(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a")

    assert (await s3.get(f"/{bucket}")).texts("Contents/Owner/DisplayName") == ["root"]


async def test_list_objects_of_an_empty_bucket(s3: S3Client, bucket: str) -> None:
    listed = await s3.get(f"/{bucket}")

    assert (listed.texts("Contents"), listed.texts("IsTruncated")) == ([], ["false"])


@pytest.mark.parametrize(
    "query", ["max-keys=-1", "max-keys=x", "encoding-type=xml", "marker=%00", "prefix=%00"]
)
async def test_list_objects_refuses_an_argument_that_is_none(
    s3: S3Client, bucket: str, query: str
) -> None:
    assert (await s3.get(f"/{bucket}?{query}")).refusal == (400, "InvalidArgument")
