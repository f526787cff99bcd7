"""ListBuckets. Source, unless a test says otherwise: S3 API reference, ListBuckets."""

import os
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.fix_s3 import S3Client


@pytest.fixture
async def names(s3: S3Client) -> AsyncIterator[Sequence[str]]:
    """Five buckets whose names begin with what no other bucket's does."""
    prefix = f"list-{os.urandom(6).hex()}-"
    names = [prefix + letter for letter in "abcde"]
    for name in names:
        assert (await s3.put(f"/{name}")).status == 200
    yield names
    for name in names:
        await s3.delete(f"/{name}")


async def test_list_buckets_lists_them_by_name_with_their_owner(
    s3: S3Client, names: Sequence[str]
) -> None:
    listed = await s3.get("/")

    found = listed.texts("Buckets/Bucket/Name")
    assert found == sorted(found)
    assert set(names) <= set(found)
    assert len(listed.texts("Owner/ID")[0]) == 64
    assert listed.texts("Owner/DisplayName") == ["root"]
    assert set(listed.texts("Buckets/Bucket/BucketRegion")) == {"us-east-1"}
    assert all(date.endswith("Z") for date in listed.texts("Buckets/Bucket/CreationDate"))
    assert listed.texts("ContinuationToken") == []


async def test_list_buckets_lists_those_with_a_prefix(s3: S3Client, names: Sequence[str]) -> None:
    prefix = names[0][:-1]

    listed = await s3.get(f"/?prefix={prefix}")

    assert listed.texts("Buckets/Bucket/Name") == list(names)
    assert listed.texts("Prefix") == [prefix]


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6])
async def test_list_buckets_page_by_page(s3: S3Client, names: Sequence[str], size: int) -> None:
    query = f"prefix={names[0][:-1]}&max-buckets={size}"
    pages: list[list[str]] = []
    token: list[str] = [""]

    while token:
        more = f"&continuation-token={token[0]}" if token[0] else ""
        page = await s3.get(f"/?{query}{more}")
        pages.append(page.texts("Buckets/Bucket/Name"))
        token = page.texts("ContinuationToken")

    assert [name for page in pages for name in page] == list(names)
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)


async def test_list_buckets_of_another_region_are_none(s3: S3Client, names: Sequence[str]) -> None:
    here = await s3.get(f"/?prefix={names[0]}&bucket-region=us-east-1")
    elsewhere = await s3.get("/?bucket-region=eu-west-1")

    assert here.texts("Buckets/Bucket/Name") == [names[0]]
    assert elsewhere.texts("Buckets/Bucket/Name") == []


@pytest.mark.parametrize(
    "query",
    [
        "max-buckets=0",
        "max-buckets=10001",
        "max-buckets=-1",
        "max-buckets=1_0",
        "max-buckets=%2B1",
        "max-buckets=%D9%A1",
        "max-buckets=99999999999999999999999",
        "max-buckets=",
        "continuation-token=rubbish",
        "continuation-token=",
        "continuation-token=%00",
        "continuation-token=AQJhLw==",
        "prefix=a%00",
    ],
)
async def test_list_buckets_refuses_an_argument_that_is_none(s3: S3Client, query: str) -> None:
    assert (await s3.get(f"/?{query}")).refusal == (400, "InvalidArgument")
