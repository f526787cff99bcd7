from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ErrorCode, S3Error
from server.model.names import BucketName, ObjectKey, VersionId
from server.rules.copy_source import (
    CopySource,
    check_copy_changes_something,
    parse_copy_source,
    replaces_metadata,
    replaces_tags,
)


@pytest.mark.parametrize(
    ("header", "key", "version_id"),
    [
        pytest.param("bucket/a/b", "a/b", None, id="without a slash"),
        pytest.param("/bucket/a/b", "a/b", None, id="with a slash"),
        pytest.param("bucket%2Fa%2Fb", "a/b", None, id="all of it encoded"),
        pytest.param("bucket//a", "/a", None, id="key with a leading slash"),
        pytest.param("bucket/a%20b", "a b", None, id="space"),
        pytest.param("bucket/a+b", "a b", None, id="plus is a space"),
        pytest.param("bucket/a%2Bb", "a+b", None, id="encoded plus"),
        pytest.param("bucket/a%252Fb", "a%2Fb", None, id="decoded once"),
        pytest.param("bucket/%C3%A9", "é", None, id="UTF-8"),
        pytest.param("bucket/é", "é", None, id="UTF-8 as it is"),
        pytest.param("bucket/a%3Fb", "a?b", None, id="encoded question mark"),
        pytest.param("bucket/a?b", "a?b", None, id="question mark"),
        pytest.param("bucket/a?versionId=null", "a", "null", id="version"),
        pytest.param("bucket/a%3FversionId=x", "a?versionId=x", None, id="no version, encoded"),
    ],
)
def test_parse_copy_source_reads(header: str, key: str, version_id: str | None) -> None:
    """S3 decodes "+" as a space: aws-cli issue 614, aws-sdk-js issue 1821."""
    expected_version = None if version_id is None else VersionId(version_id)

    source = parse_copy_source(header)

    assert source == CopySource(BucketName("bucket"), ObjectKey(key), expected_version)


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=50))
def test_parse_copy_source_undoes_the_two_ways_of_encoding(name: str) -> None:
    key = f"k/{name}".replace("\0", "").replace("..", "")

    assert parse_copy_source("bucket/" + quote(key)).key == key
    assert parse_copy_source("bucket/" + quote_plus(key)).key == key


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param(
            "bucket",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            id="no key",
        ),
        pytest.param(
            "/bucket/",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            id="empty key",
        ),
        pytest.param(
            "",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            id="nothing",
        ),
        pytest.param("B_/key", "Invalid copy source bucket name", id="bucket name"),
        pytest.param("//key", "Invalid copy source bucket name", id="no bucket"),
        pytest.param("bucket/../x", "Invalid copy source object key", id="leaves the bucket"),
        pytest.param("bucket/%2e%2e/x", "Invalid copy source object key", id="leaves it encoded"),
        pytest.param("bucket/a%00", "Invalid copy source object key", id="NUL"),
        pytest.param("bucket/%zz", "Invalid copy source encoding", id="stray percent"),
        pytest.param("bucket/100%", "Invalid copy source encoding", id="percent at the end"),
        pytest.param("bucket/%ff", "Invalid copy source encoding", id="no UTF-8"),
        pytest.param("bucket/\udcff", "Invalid copy source encoding", id="no UTF-8 as it is"),
        pytest.param("bucket/a?versionId=", "Version id cannot be the empty string", id="version"),
    ],
)
def test_parse_copy_source_refuses(header: str, message: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_copy_source(header)

    assert (caught.value.code, caught.value.message) == (ErrorCode.InvalidArgument, message)
    assert caught.value.detail["ArgumentName"] == "x-amz-copy-source"
    caught.value.detail["ArgumentValue"].encode()


def test_parse_copy_source_refuses_a_key_that_is_too_long() -> None:
    with pytest.raises(S3Error) as caught:
        parse_copy_source("bucket/" + "a" * 1025)

    assert caught.value.code is ErrorCode.KeyTooLongError


@pytest.mark.parametrize("quoted", [True, False])
def test_parse_copy_source_does_not_know_access_points(quoted: bool) -> None:
    arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/my-point/object/key"

    with pytest.raises(S3Error) as caught:
        parse_copy_source(quote(arn, safe="") if quoted else arn)

    assert caught.value.code is ErrorCode.NotImplemented


def test_replaces_metadata_follows_the_directive() -> None:
    assert replaces_metadata({"x-amz-metadata-directive": "REPLACE"})
    assert not replaces_metadata({"x-amz-metadata-directive": "COPY"})
    assert not replaces_metadata({"x-amz-tagging-directive": "REPLACE"})


def test_replaces_tags_follows_the_directive() -> None:
    assert replaces_tags({"x-amz-tagging-directive": "REPLACE"})
    assert not replaces_tags({"x-amz-tagging-directive": "COPY", "x-amz-tagging": "a=1"})
    assert not replaces_tags({"x-amz-metadata-directive": "REPLACE", "x-amz-tagging": "a=1"})


@pytest.mark.parametrize(
    "name",
    [
        "x-amz-metadata-directive",
        "x-amz-tagging-directive",
        "x-amz-object-annotation-directive",
    ],
)
@pytest.mark.parametrize("replaces", [replaces_metadata, replaces_tags])
def test_an_unknown_directive_is_refused(
    replaces: Callable[[dict[str, str]], bool], name: str
) -> None:
    with pytest.raises(S3Error) as caught:
        replaces({name: "MERGE"})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail == {"ArgumentName": name, "ArgumentValue": "MERGE"}


SOURCE = CopySource(BucketName("bucket"), ObjectKey("key"), None)


@pytest.mark.parametrize(
    ("source", "headers"),
    [
        pytest.param(CopySource(BucketName("other"), ObjectKey("key"), None), {}, id="bucket"),
        pytest.param(CopySource(BucketName("bucket"), ObjectKey("other"), None), {}, id="key"),
        pytest.param(
            CopySource(BucketName("bucket"), ObjectKey("key"), VersionId("1")), {}, id="version"
        ),
        pytest.param(SOURCE, {"x-amz-metadata-directive": "REPLACE"}, id="metadata"),
        pytest.param(SOURCE, {"x-amz-storage-class": "STANDARD"}, id="storage class"),
        pytest.param(SOURCE, {"x-amz-website-redirect-location": "/"}, id="redirect"),
    ],
)
def test_a_copy_onto_itself_may_change_something(
    source: CopySource, headers: dict[str, str]
) -> None:
    check_copy_changes_something(source, BucketName("bucket"), ObjectKey("key"), headers)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"x-amz-metadata-directive": "COPY", "x-amz-meta-a": "1"}, id="metadata"),
        pytest.param({"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "a=1"}, id="tags"),
    ],
)
def test_a_copy_onto_itself_that_changes_nothing_is_refused(headers: dict[str, str]) -> None:
    """Tags are not among what S3's message names."""
    with pytest.raises(S3Error) as caught:
        check_copy_changes_something(SOURCE, BucketName("bucket"), ObjectKey("key"), headers)

    assert caught.value.code is ErrorCode.InvalidRequest
    assert caught.value.message.startswith("This copy request is illegal")
