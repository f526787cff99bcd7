import pytest

from server.errors import ErrorCode, S3Error
from server.rules.names import check_bucket_name, parse_key


@pytest.mark.parametrize(
    "name", ["abc", "a.b-c.1", "my-bucket", "1.2.3", "1.2.3.4.5", "a" * 63, "xn-a", "0-0"]
)
def test_check_bucket_name_takes(name: str) -> None:
    assert check_bucket_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ab", id="too short"),
        pytest.param("a" * 64, id="too long"),
        pytest.param("", id="empty"),
        pytest.param("Abc", id="upper case"),
        pytest.param("a_b", id="underscore"),
        pytest.param("-abc", id="begins with a hyphen"),
        pytest.param("abc-", id="ends with a hyphen"),
        pytest.param(".abc", id="begins with a dot"),
        pytest.param("a..b", id="two dots"),
        pytest.param("foo-.bar", id="hyphen before a dot"),
        pytest.param("foo.-bar", id="hyphen after a dot"),
        pytest.param("192.168.5.4", id="IP address"),
        pytest.param("xn--bucket", id="reserved prefix xn--"),
        pytest.param("sthree-bucket", id="reserved prefix sthree-"),
        pytest.param("amzn-s3-demo-bucket", id="reserved prefix amzn-s3-demo-"),
        pytest.param("bucket-s3alias", id="reserved suffix -s3alias"),
        pytest.param("bucket--ol-s3", id="reserved suffix --ol-s3"),
        pytest.param("bucket.mrap", id="reserved suffix .mrap"),
        pytest.param("bucket--x-s3", id="reserved suffix --x-s3"),
        pytest.param("bucket--table-s3", id="reserved suffix --table-s3"),
        pytest.param("bücket", id="not ASCII"),
        pytest.param("bucket\n", id="newline at the end"),
    ],
)
def test_check_bucket_name_refuses(name: str) -> None:
    """S3 User Guide, "General purpose bucket naming rules"."""
    with pytest.raises(S3Error) as caught:
        check_bucket_name(name)

    assert caught.value.code is ErrorCode.InvalidBucketName
    assert caught.value.detail == {"BucketName": name}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("a" * 1024, id="1,024 bytes"),
        pytest.param("😀" * 256, id="1,024 bytes in 256 characters"),
        pytest.param("a//b", id="empty segment"),
        pytest.param("/a", id="leading slash"),
        pytest.param("a/", id="trailing slash"),
        pytest.param("a/../b", id="dot segments that stay inside"),
        pytest.param("./a", id="dot segment"),
        pytest.param("..a/b", id="name that begins with dots"),
        pytest.param("a+b %2F\x01\x7f\r\n", id="control characters"),
    ],
)
def test_parse_key_keeps_the_key_as_it_is(key: str) -> None:
    assert parse_key(key) == key


@pytest.mark.parametrize("key", ["a" * 1025, "é" * 513])
def test_parse_key_refuses_more_than_1024_bytes(key: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_key(key)

    assert caught.value.code is ErrorCode.KeyTooLongError
    assert caught.value.detail == {"Size": str(len(key.encode())), "MaxSizeAllowed": "1024"}


@pytest.mark.parametrize("key", ["..", "../x", "a/../../x", "a/../..", "./../x", "//../x"])
def test_parse_key_refuses_a_key_that_would_leave_the_bucket(key: str) -> None:
    """S3 answered 400 to "../x" and "test/../../hello" in 2025 and 2026."""
    with pytest.raises(S3Error) as caught:
        parse_key(key)

    assert caught.value.code is ErrorCode.InvalidURI


@pytest.mark.parametrize(
    ("key", "code"),
    [
        pytest.param("", ErrorCode.InvalidArgument, id="empty"),
        pytest.param("a\0b", ErrorCode.InvalidArgument, id="NUL"),
        pytest.param("a\udcff", ErrorCode.InvalidURI, id="no UTF-8"),
    ],
)
def test_parse_key_refuses_what_the_database_cannot_hold(key: str, code: ErrorCode) -> None:
    with pytest.raises(S3Error) as caught:
        parse_key(key)

    assert caught.value.code is code
