"""CreateBucket. Source, unless a test says otherwise: S3 API reference, CreateBucket."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from tests.fix_s3 import S3Client

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.fixture
async def name(s3: S3Client) -> AsyncIterator[str]:
    """A name that no bucket has; a bucket that comes to have it is gone afterwards."""
    name = f"test-{os.urandom(8).hex()}"
    yield name
    await s3.delete(f"/{name}")


def configuration(inner: str) -> bytes:
    root = "CreateBucketConfiguration"
    return f'<{root} xmlns="{NAMESPACE}">{inner}</{root}>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no body"),
        pytest.param(configuration(""), id="empty configuration"),
        pytest.param(
            configuration("<LocationConstraint>us-east-1</LocationConstraint>"), id="region"
        ),
        pytest.param(configuration("<LocationConstraint/>"), id="empty region"),
        pytest.param(b"<CreateBucketConfiguration/>", id="no namespace"),
    ],
)
async def test_create_bucket_makes_an_empty_bucket(s3: S3Client, name: str, body: bytes) -> None:
    created = await s3.put(f"/{name}", body=body)

    assert (created.status, created.body) == (200, b"")
    assert created.headers["location"] == f"/{name}"
    assert (await s3.get(f"/{name}")).texts("Contents") == []


async def test_create_bucket_in_virtual_hosted_style(s3: S3Client, name: str) -> None:
    assert (await s3.on_bucket_host(name).put("/")).status == 200
    assert (await s3.head(f"/{name}")).status == 200


async def test_create_bucket_of_ones_own_again_changes_nothing(s3: S3Client, name: str) -> None:
    """us-east-1 answers 200; other regions answer BucketAlreadyOwnedByYou."""
    await s3.put(f"/{name}")
    await s3.put(f"/{name}/key", body=b"body")

    again = await s3.put(f"/{name}")

    assert again.status == 200
    assert (await s3.get(f"/{name}/key")).body == b"body"
    await s3.delete(f"/{name}/key")


async def test_create_bucket_by_many_at_once(s3: S3Client, name: str) -> None:
    answers = await asyncio.gather(*(s3.put(f"/{name}") for _ in range(12)))

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Photos",
        "my_bucket",
        "a..b",
        "-abc",
        "abc-",
        ".abc",
        "192.168.0.1",
        "xn--abc",
        "abc-s3alias",
        "a%20b",
        "caf%C3%A9",
        "abc%0a",
    ],
)
async def test_create_bucket_refuses_what_is_no_name(s3: S3Client, name: str) -> None:
    """Source: S3 User Guide, "General purpose bucket naming rules"."""
    assert (await s3.put(f"/{name}")).refusal == (400, "InvalidBucketName")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param(b"rubbish", (400, "MalformedXML"), id="rubbish"),
        pytest.param(configuration("")[:-1], (400, "MalformedXML"), id="cut short"),
        pytest.param(b"<Delete/>", (400, "MalformedXML"), id="another document"),
        pytest.param(b"<!DOCTYPE a>" + configuration(""), (400, "MalformedXML"), id="DOCTYPE"),
        pytest.param(
            configuration("<LocationConstraint>eu-west-1</LocationConstraint>"),
            (400, "IllegalLocationConstraintException"),
            id="another region",
        ),
        pytest.param(
            configuration("<LocationConstraint>&#10;</LocationConstraint>" * 2),
            (400, "MalformedXML"),
            id="two regions",
        ),
        pytest.param(
            configuration("<Bucket><Type>Directory</Type></Bucket>"),
            (501, "NotImplemented"),
            id="directory bucket",
        ),
        pytest.param(
            configuration("<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"),
            (501, "NotImplemented"),
            id="tags",
        ),
        pytest.param(b"x" * 100_000, (400, "MaxMessageLengthExceeded"), id="long"),
    ],
)
async def test_create_bucket_refuses_a_configuration_it_cannot_honour(
    s3: S3Client, name: str, body: bytes, refusal: tuple[int, str]
) -> None:
    assert (await s3.put(f"/{name}", body=body)).refusal == refusal
    assert (await s3.head(f"/{name}")).status == 404


@pytest.mark.parametrize(
    ("header", "value", "refusal"),
    [
        ("x-amz-acl", "public-read", (501, "NotImplemented")),
        ("x-amz-acl", "everyone", (400, "InvalidArgument")),
        ("x-amz-grant-write", "id=1", (501, "NotImplemented")),
        ("x-amz-bucket-object-lock-enabled", "true", (501, "NotImplemented")),
        ("x-amz-object-ownership", "ObjectWriter", (501, "NotImplemented")),
    ],
)
async def test_create_bucket_refuses_a_header_it_cannot_honour(
    s3: S3Client, name: str, header: str, value: str, refusal: tuple[int, str]
) -> None:
    assert (await s3.put(f"/{name}", headers={header: value})).refusal == refusal
    assert (await s3.head(f"/{name}")).status == 404


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-amz-acl", "private"),
        ("x-amz-object-ownership", "BucketOwnerEnforced"),
        ("x-amz-bucket-object-lock-enabled", "false"),
    ],
)
async def test_create_bucket_takes_a_header_that_asks_for_what_is_so(
    s3: S3Client, name: str, header: str, value: str
) -> None:
    assert (await s3.put(f"/{name}", headers={header: value})).status == 200
