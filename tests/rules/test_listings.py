from collections.abc import Callable, Mapping

import pytest

from server.errors import ErrorCode, S3Error
from server.rules.listings import (
    ListBucketsQuery,
    ListObjectsQuery,
    ListObjectsV2Query,
    ListUploadsQuery,
    PartsPage,
    parse_attributes_page,
    parse_list_buckets,
    parse_list_objects,
    parse_list_objects_v2,
    parse_list_parts,
    parse_list_uploads,
)
from server.rules.positions import AfterKey, AfterPrefix, encode_token


def test_list_objects_v2_without_parameters_lists_a_thousand_keys() -> None:
    parsed = parse_list_objects_v2({"list-type": "2"})

    assert parsed == ListObjectsV2Query(
        prefix="",
        delimiter="",
        limit=1000,
        encoding_type=None,
        start_after=None,
        continuation_token=None,
        position=None,
        fetch_owner=False,
    )
    assert not parsed.encodes_url


def test_list_objects_v2_reads_every_parameter() -> None:
    parsed = parse_list_objects_v2(
        {
            "prefix": "a/",
            "delimiter": "/",
            "max-keys": "5",
            "encoding-type": "URL",
            "start-after": "a/b",
            "fetch-owner": "true",
        }
    )

    assert parsed == ListObjectsV2Query(
        prefix="a/",
        delimiter="/",
        limit=5,
        encoding_type="URL",
        start_after="a/b",
        continuation_token=None,
        position=AfterKey("a/b"),
        fetch_owner=True,
    )
    assert parsed.encodes_url


def test_a_continuation_token_outweighs_start_after() -> None:
    token = encode_token(AfterPrefix("a/c/"))

    parsed = parse_list_objects_v2({"start-after": "a/b", "continuation-token": token})

    assert parsed.position == AfterPrefix("a/c/")
    assert parsed.continuation_token == token


def test_list_objects_begins_behind_its_marker() -> None:
    parsed = parse_list_objects({"marker": "a/b", "delimiter": "/", "max-keys": "0"})

    assert parsed == ListObjectsQuery(
        prefix="",
        delimiter="/",
        limit=0,
        encoding_type=None,
        marker="a/b",
        position=AfterPrefix("a/"),
    )


def test_list_uploads_takes_an_upload_id_marker_beside_a_key_marker() -> None:
    parsed = parse_list_uploads({"key-marker": "a", "upload-id-marker": "U", "max-uploads": "2"})

    assert parsed == ListUploadsQuery(
        prefix="",
        delimiter="",
        limit=2,
        encoding_type=None,
        key_marker="a",
        upload_id_marker=parsed.upload_id_marker,
        position=AfterKey("a"),
    )
    assert parsed.upload_id_marker == "U"


def test_list_uploads_ignores_an_upload_id_marker_alone() -> None:
    """S3 API reference, ListMultipartUploads, upload-id-marker."""
    assert parse_list_uploads({"upload-id-marker": "U"}).upload_id_marker is None


@pytest.mark.parametrize(
    ("text", "limit"), [("", 1000), ("0", 0), ("1000", 1000), ("1001", 1000), ("2147483647", 1000)]
)
def test_a_page_has_a_thousand_entries_at_most(text: str, limit: int) -> None:
    assert parse_list_objects_v2({"max-keys": text}).limit == limit
    assert parse_list_parts({"max-parts": text}).limit == limit
    assert parse_list_uploads({"max-uploads": text}).limit == limit


def test_parts_are_paged_by_query_and_by_header() -> None:
    assert parse_list_parts({}) == PartsPage(limit=1000, after=0)
    assert parse_list_parts({"max-parts": "2", "part-number-marker": "7"}) == PartsPage(2, 7)
    assert parse_attributes_page(
        {"x-amz-max-parts": "2", "x-amz-part-number-marker": "7"}
    ) == PartsPage(2, 7)


def test_list_buckets_has_one_page_unless_it_is_asked_for_more() -> None:
    assert parse_list_buckets({}) == ListBucketsQuery(None, "", None, None)
    assert parse_list_buckets(
        {
            "max-buckets": "10000",
            "prefix": "a",
            "bucket-region": "us-east-1",
            "continuation-token": encode_token(AfterKey("bucket")),
        }
    ) == ListBucketsQuery(10000, "a", "us-east-1", "bucket")


@pytest.mark.parametrize(
    ("parse", "query", "name"),
    [
        pytest.param(parse_list_objects_v2, {"max-keys": "x"}, "max-keys", id="max-keys, a word"),
        pytest.param(parse_list_objects_v2, {"max-keys": "-1"}, "maxKeys", id="max-keys below 0"),
        pytest.param(parse_list_objects, {"max-keys": "-1"}, "maxKeys", id="max-keys, version 1"),
        pytest.param(parse_list_uploads, {"max-uploads": "-1"}, "max-uploads", id="max-uploads"),
        pytest.param(parse_list_parts, {"max-parts": "-1"}, "max-parts", id="max-parts"),
        pytest.param(
            parse_list_parts, {"part-number-marker": "x"}, "part-number-marker", id="part marker"
        ),
        pytest.param(parse_list_buckets, {"max-buckets": "0"}, "max-buckets", id="no bucket"),
        pytest.param(
            parse_list_buckets, {"max-buckets": "10001"}, "max-buckets", id="too many buckets"
        ),
        pytest.param(
            parse_list_objects_v2, {"encoding-type": "base64"}, "encoding-type", id="encoding"
        ),
        pytest.param(
            parse_list_objects, {"encoding-type": ""}, "encoding-type", id="empty encoding"
        ),
        pytest.param(
            parse_list_objects_v2, {"continuation-token": ""}, "continuation-token", id="token"
        ),
        pytest.param(
            parse_list_buckets,
            {"continuation-token": encode_token(AfterPrefix("a"))},
            "continuation-token",
            id="token of another listing",
        ),
        pytest.param(parse_list_objects_v2, {"prefix": "a\0"}, "prefix", id="NUL in the prefix"),
        pytest.param(parse_list_objects, {"marker": "a\0"}, "marker", id="NUL in the marker"),
        pytest.param(
            parse_list_uploads, {"key-marker": "a\0"}, "key-marker", id="NUL in the key marker"
        ),
        pytest.param(
            parse_list_buckets, {"bucket-region": "a\0"}, "bucket-region", id="NUL in the region"
        ),
    ],
)
def test_listings_refuse(
    parse: Callable[[Mapping[str, str]], object], query: dict[str, str], name: str
) -> None:
    with pytest.raises(S3Error) as caught:
        parse(query)

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail["ArgumentName"] == name
