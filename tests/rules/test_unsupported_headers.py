import pytest

from server.errors import ErrorCode, S3Error
from server.rules.unsupported_headers import (
    UNSUPPORTED,
    UNSUPPORTED_FAMILIES,
    refuse_unsupported_headers,
)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"host": "localhost", "x-amz-date": "20260101T000000Z"}, id="ordinary"),
        pytest.param({"x-amz-meta-x-amz-mfa": "1 2"}, id="user metadata"),
        pytest.param({"x-amz-acl": "private"}, id="private"),
        pytest.param({"x-amz-acl": "bucket-owner-full-control"}, id="bucket owner, full control"),
        pytest.param({"x-amz-acl": "bucket-owner-read"}, id="bucket owner, read"),
        pytest.param({"x-amz-bucket-object-lock-enabled": "false"}, id="no Object Lock"),
        pytest.param({"x-amz-object-ownership": "BucketOwnerEnforced"}, id="the one ownership"),
        pytest.param({"x-amz-tagging": "a=b"}, id="tags"),
    ],
)
def test_headers_that_ask_for_nothing_the_server_lacks_are_taken(headers: dict[str, str]) -> None:
    refuse_unsupported_headers(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-acl", "public-read"),
        ("x-amz-bucket-namespace", "account-regional"),
        ("x-amz-bucket-object-lock-enabled", "true"),
        ("x-amz-copy-source-server-side-encryption-customer-key", "a2V5"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-mfa", "1 2"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-object-ownership", "ObjectWriter"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-write-offset-bytes", "0"),
    ],
)
def test_headers_that_ask_for_more_are_never_dropped(name: str, value: str) -> None:
    with pytest.raises(S3Error) as caught:
        refuse_unsupported_headers({"host": "localhost", name: value})

    assert caught.value.code is ErrorCode.NotImplemented
    assert caught.value.detail["Header"] == name
    assert caught.value.detail["additionalMessage"]


@pytest.mark.parametrize("name", [*UNSUPPORTED, *UNSUPPORTED_FAMILIES])
def test_every_row_refuses_its_header(name: str) -> None:
    with pytest.raises(S3Error):
        refuse_unsupported_headers({name: "something else"})


def test_an_unknown_canned_acl_is_invalid() -> None:
    with pytest.raises(S3Error) as caught:
        refuse_unsupported_headers({"x-amz-acl": "everybody"})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail == {"ArgumentName": "x-amz-acl", "ArgumentValue": "everybody"}


@pytest.mark.parametrize("value", ["true", "false"])
def test_bypassing_retention_is_refused_as_s3_refuses_it_without_object_lock(value: str) -> None:
    """S3 answered DeleteObject so in January 2025."""
    with pytest.raises(S3Error) as caught:
        refuse_unsupported_headers({"x-amz-bypass-governance-retention": value})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail == {"ArgumentName": "x-amz-bypass-governance-retention"}
