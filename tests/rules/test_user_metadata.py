from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ErrorCode, S3Error
from server.rules.user_metadata import encode_words, parse_user_metadata, user_metadata_headers


def test_parse_user_metadata_takes_the_x_amz_meta_headers() -> None:
    headers = {"x-amz-meta-a": "1", "x-amz-meta-b-c": "Grüße\t2", "x-amz-acl": "private"}

    assert parse_user_metadata(headers) == {"a": "1", "b-c": "Grüße\t2"}


def test_user_metadata_may_have_2_kib_of_names_and_values() -> None:
    """S3 counts UTF-8 bytes, and not the prefix: S3 User Guide, "User-defined object metadata"."""
    headers = {"x-amz-meta-name": "é" * 1022}

    assert parse_user_metadata(headers) == {"name": "é" * 1022}


def test_parse_user_metadata_refuses_one_byte_more() -> None:
    with pytest.raises(S3Error) as caught:
        parse_user_metadata({"x-amz-meta-name": "é" * 1022, "x-amz-meta-n": ""})

    assert caught.value.code is ErrorCode.MetadataTooLarge
    assert caught.value.detail == {"Size": "2049", "MaxSizeAllowed": "2048"}


@pytest.mark.parametrize("value", ["a\x01", "a\r\nb", "a\0", "\x7f", "a\udcff"])
def test_parse_user_metadata_refuses_what_no_reply_may_repeat(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_user_metadata({"x-amz-meta-name": value})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail["ArgumentName"] == "x-amz-meta-name"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        pytest.param("plain =?text?=", "plain =?text?=", id="ASCII is left alone"),
        pytest.param("Miniö 1", "=?UTF-8?Q?Mini=C3=B6_1?=", id="mostly ASCII"),
        pytest.param("ö", "=?UTF-8?B?w7Y=?=", id="mostly not"),
        pytest.param("a=_?ö", "=?UTF-8?Q?a=3D=5F=3F=C3=B6?=", id="what Q itself uses"),
    ],
)
def test_encode_words_chooses_as_s3_does(value: str, encoded: str) -> None:
    """The choice of Q or B was seen in answers of S3 in May 2025."""
    assert encode_words(value) == encoded


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=300))
def test_encoded_words_are_short_ascii_and_decode_to_the_value(value: str) -> None:
    value = f"ö{value}"

    encoded = encode_words(value)

    assert encoded.isascii()
    assert max(len(word) for word in encoded.split(" ")) <= 75
    assert str(make_header(decode_header(encoded))) == value


def test_user_metadata_headers_carry_the_prefix() -> None:
    assert user_metadata_headers({"a": "1"}) == {"x-amz-meta-a": "1"}
