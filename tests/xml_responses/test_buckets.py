from datetime import UTC, datetime

import pytest

from server.model.bucket import Account, Bucket
from server.model.names import BucketName, CanonicalId
from xml_responses.buckets import (
    CreateBucketConfiguration,
    list_all_my_buckets_result,
    location_constraint,
    parse_create_bucket_configuration,
)
from xml_responses.errors import MalformedXML
from xml_responses.tagging import Tag

CREATED = datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC)
OWNER = Account(id=1, canonical_id=CanonicalId("75aa57f0"), name="mtd", email=None, created=CREATED)
NOTHING = CreateBucketConfiguration(location_constraint=None, directory_bucket=False, tags=())


def bucket(name: str, region: str) -> Bucket:
    return Bucket(id=1, name=BucketName(name), account_id=1, region=region, created=CREATED)


def test_list_all_my_buckets_result_of_a_page() -> None:
    document = list_all_my_buckets_result(
        owner=OWNER,
        buckets=[bucket("quotes", "us-east-1"), bucket("samples", "eu-west-1")],
        prefix="",
        continuation_token="c2FtcGxlcw==",
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Owner><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Owner>"
        b"<Buckets>"
        b"<Bucket><Name>quotes</Name>"
        b"<CreationDate>2009-10-12T17:50:30.000Z</CreationDate>"
        b"<BucketRegion>us-east-1</BucketRegion></Bucket>"
        b"<Bucket><Name>samples</Name>"
        b"<CreationDate>2009-10-12T17:50:30.000Z</CreationDate>"
        b"<BucketRegion>eu-west-1</BucketRegion></Bucket>"
        b"</Buckets>"
        b"<ContinuationToken>c2FtcGxlcw==</ContinuationToken>"
        b"<Prefix></Prefix>"
        b"</ListAllMyBucketsResult>"
    )


def test_list_all_my_buckets_result_without_buckets() -> None:
    document = list_all_my_buckets_result(
        owner=OWNER, buckets=[], prefix=None, continuation_token=None
    )

    assert document.endswith(b"</Owner><Buckets/></ListAllMyBucketsResult>")


@pytest.mark.parametrize(
    ("region", "end"),
    [
        ("eu-west-1", b'01/">eu-west-1</LocationConstraint>'),
        ("us-east-1", b'01/"/>'),
    ],
)
def test_location_constraint_is_empty_for_us_east_1(region: str, end: bytes) -> None:
    assert location_constraint(region) == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-' + end
    )


@pytest.mark.parametrize(
    ("body", "configuration"),
    [
        pytest.param(b"", NOTHING, id="no body"),
        pytest.param(b"<CreateBucketConfiguration/>", NOTHING, id="nothing asked for"),
        pytest.param(
            b'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            b"<LocationConstraint>\n  eu-west-1\n</LocationConstraint></CreateBucketConfiguration>",
            CreateBucketConfiguration(
                location_constraint="eu-west-1", directory_bucket=False, tags=()
            ),
            id="location",
        ),
        pytest.param(
            b"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>",
            CreateBucketConfiguration(location_constraint="", directory_bucket=False, tags=()),
            id="empty location",
        ),
        pytest.param(
            b"<CreateBucketConfiguration><Location><Type>AvailabilityZone</Type></Location>"
            b"</CreateBucketConfiguration>",
            CreateBucketConfiguration(location_constraint=None, directory_bucket=True, tags=()),
            id="zone of a directory bucket",
        ),
        pytest.param(
            b"<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket>"
            b"</CreateBucketConfiguration>",
            CreateBucketConfiguration(location_constraint=None, directory_bucket=True, tags=()),
            id="directory bucket",
        ),
        pytest.param(
            b"<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value> b </Value></Tag></Tags>"
            b"</CreateBucketConfiguration>",
            CreateBucketConfiguration(
                location_constraint=None, directory_bucket=False, tags=(Tag("a", " b "),)
            ),
            id="tags",
        ),
    ],
)
def test_parse_create_bucket_configuration_reads(
    body: bytes, configuration: CreateBucketConfiguration
) -> None:
    assert parse_create_bucket_configuration(body) == configuration


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b" ", id="white space alone"),
        pytest.param(b"<Delete/>", id="another document"),
        pytest.param(
            b"<CreateBucketConfiguration><LocationConstraint>a</LocationConstraint>"
            b"<LocationConstraint>b</LocationConstraint></CreateBucketConfiguration>",
            id="two locations",
        ),
        pytest.param(
            b"<CreateBucketConfiguration><Tags><Tag><Key>a</Key></Tag></Tags>"
            b"</CreateBucketConfiguration>",
            id="tag without a value",
        ),
    ],
)
def test_parse_create_bucket_configuration_refuses(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_create_bucket_configuration(body)
