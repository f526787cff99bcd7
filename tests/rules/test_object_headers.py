import pytest

from server.errors import ErrorCode, S3Error
from server.model.blob import InlineBody
from server.model.names import ETag
from server.model.object_version import ObjectContent
from server.rules.object_headers import (
    parse_object_headers,
    parse_response_overrides,
    reply_headers,
)


def content(storage_class: str, tags: dict[str, str] | None = None) -> ObjectContent:
    return ObjectContent(
        body=InlineBody(b""),
        size=0,
        etag=ETag("9a03"),
        storage_class=storage_class,
        headers={"Content-Type": "text/plain", "Cache-Control": "no-cache"},
        user_metadata={"name": "Jürgen", "n": "1"},
        tags=tags or {},
        checksum=None,
    )


def test_parse_object_headers_keeps_system_metadata_as_it_was_sent() -> None:
    sent = {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache",
        "content-disposition": 'attachment; filename="é.txt"',
        "content-encoding": "gzip, br",
        "content-language": "de",
        "expires": "0",
        "x-amz-website-redirect-location": "/elsewhere",
        "x-amz-meta-name": "not system metadata",
        "host": "localhost",
    }

    assert parse_object_headers(sent) == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Disposition": 'attachment; filename="é.txt"',
        "Content-Encoding": "gzip, br",
        "Content-Language": "de",
        "Expires": "0",
        "x-amz-website-redirect-location": "/elsewhere",
    }


@pytest.mark.parametrize("headers", [{}, {"content-type": ""}])
def test_content_type_is_binary_where_none_was_sent(headers: dict[str, str]) -> None:
    assert parse_object_headers(headers) == {"Content-Type": "binary/octet-stream"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param("aws-chunked", None, id="alone"),
        pytest.param("AWS-Chunked", None, id="any case"),
        pytest.param("aws-chunked,gzip", "gzip", id="before another"),
        pytest.param("gzip, aws-chunked", "gzip", id="behind another"),
        pytest.param("gzip,br , aws-chunked,", "gzip,br", id="behind two"),
        pytest.param("my-aws-chunked", "my-aws-chunked", id="another name"),
    ],
)
def test_content_encoding_loses_aws_chunked(sent: str, kept: str | None) -> None:
    assert parse_object_headers({"content-encoding": sent}).get("Content-Encoding") == kept


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a\x01b", id="control character"),
        pytest.param("a\r\nSet-Cookie: b", id="CR LF"),
        pytest.param("a\0", id="NUL"),
        pytest.param("a\x7f", id="DEL"),
        pytest.param("a\udcff", id="bytes that are no UTF-8"),
    ],
)
def test_parse_object_headers_refuses_what_no_reply_may_repeat(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_object_headers({"cache-control": value})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail["ArgumentName"] == "cache-control"
    caught.value.detail["ArgumentValue"].encode()


def test_a_redirect_is_a_url_or_a_path() -> None:
    with pytest.raises(S3Error) as caught:
        parse_object_headers({"x-amz-website-redirect-location": "javascript:1"})

    assert caught.value.code is ErrorCode.InvalidRedirectLocation


def test_reply_headers_replay_what_the_writer_said() -> None:
    assert reply_headers(content("STANDARD")) == {
        "Content-Type": "text/plain",
        "Cache-Control": "no-cache",
        "x-amz-meta-name": "=?UTF-8?Q?J=C3=BCrgen?=",
        "x-amz-meta-n": "1",
    }


def test_reply_headers_name_a_storage_class_that_is_not_standard() -> None:
    assert reply_headers(content("STANDARD_IA"))["x-amz-storage-class"] == "STANDARD_IA"


def test_response_overrides_take_the_place_of_six_headers() -> None:
    query = {
        "response-content-type": "text/html",
        "response-content-language": "de",
        "response-expires": "0",
        "response-cache-control": "no-cache",
        "response-content-disposition": "attachment; filename=é",
        "response-content-encoding": "gzip",
        "response-server": "not overridable",
        "versionId": "null",
    }

    assert parse_response_overrides(query) == {
        "Content-Type": "text/html",
        "Content-Language": "de",
        "Expires": "0",
        "Cache-Control": "no-cache",
        "Content-Disposition": "attachment; filename=é",
        "Content-Encoding": "gzip",
    }


def test_an_empty_response_override_overrides_nothing() -> None:
    assert parse_response_overrides({"response-content-type": ""}) == {}


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\n", "a\0", "文"])
def test_parse_response_overrides_refuses_what_a_header_cannot_carry(value: str) -> None:
    """S3's own words, seen in reports of 2023 to 2026."""
    with pytest.raises(S3Error) as caught:
        parse_response_overrides({"response-content-type": value})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.message == "Header value cannot be represented using ISO-8859-1."
    assert caught.value.detail["ArgumentName"] == "response-content-type"
