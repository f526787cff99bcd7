"""The messages are those that S3 answered in January 2025; the forms of the header, what it took
and refused then and in April 2025 (versitygw issues 1215 and 1216)."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ErrorCode, S3Error
from server.rules.tags import check_tags, parse_tagging_header

PERMITTED = st.one_of(
    st.characters(categories=["L", "N", "Z"], max_codepoint=0xFFFF), st.sampled_from("+-=._:/@")
)
KEYS = st.text(PERMITTED, min_size=1, max_size=20).filter(lambda key: key[:4].lower() != "aws:")
TAGS = st.dictionaries(KEYS, st.text(PERMITTED, max_size=20), max_size=10)


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("a=1", {"a": "1"}, id="one"),
        pytest.param("a=1&b=2", {"a": "1", "b": "2"}, id="two"),
        pytest.param("a=", {"a": ""}, id="empty value"),
        pytest.param("a", {"a": ""}, id="no value"),
        pytest.param("a&&&b", {"a": "", "b": ""}, id="nothing between"),
        pytest.param("&", {}, id="nothing around"),
        pytest.param("a+b=c%20d", {"a b": "c d"}, id="spaces"),
        pytest.param("a b=c d", {"a b": "c d"}, id="spaces as they are"),
        pytest.param("a%2Bb=c%3Dd", {"a+b": "c=d"}, id="encoded signs"),
        pytest.param("a/b=x:y@z._-", {"a/b": "x:y@z._-"}, id="signs as they are"),
        pytest.param("%C3%A9=%E7%92%B0", {"é": "環"}, id="UTF-8"),
        pytest.param("a=1&A=2", {"a": "1", "A": "2"}, id="case tells keys apart"),
        pytest.param("my:aws:key=1", {"my:aws:key": "1"}, id="reserved word elsewhere"),
    ],
)
def test_parse_tagging_header_reads(header: str, tags: dict[str, str]) -> None:
    assert parse_tagging_header({"x-amz-tagging": header}) == tags


def test_parse_tagging_header_reads_no_tags_where_there_is_no_header() -> None:
    assert parse_tagging_header({"x-amz-meta-x-amz-tagging": "a=1"}) == {}


@given(TAGS)
def test_parse_tagging_header_undoes_the_two_ways_of_encoding(tags: dict[str, str]) -> None:
    assert parse_tagging_header({"x-amz-tagging": urlencode(tags)}) == tags
    assert parse_tagging_header({"x-amz-tagging": urlencode(tags, quote_via=quote)}) == tags


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("a=1&a=2", id="equal keys"),
        pytest.param("a=1&%61=2", id="equal keys, one encoded"),
        pytest.param("=", id="empty key"),
        pytest.param("=1", id="empty key with a value"),
        pytest.param("key1=val1,key2=val2", id="commas"),
        pytest.param("a=1=2", id="second equals sign"),
        pytest.param("a=%zz", id="stray percent"),
        pytest.param("a=100%", id="percent at the end"),
        pytest.param("a=%ff", id="no UTF-8"),
        pytest.param("a=%ED%A0%80", id="surrogate"),
        pytest.param("é=1", id="not encoded"),
        pytest.param("a=\udcff", id="not encoded and no UTF-8"),
        pytest.param("a=\t1", id="tab"),
    ],
)
def test_parse_tagging_header_refuses_what_is_no_encoded_query(header: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_tagging_header({"x-amz-tagging": header})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.message == (
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters"
        " without tag name duplicates."
    )
    assert caught.value.detail["ArgumentName"] == "x-amz-tagging"
    caught.value.detail["ArgumentValue"].encode()


def test_parse_tagging_header_refuses_what_can_be_no_tag() -> None:
    with pytest.raises(S3Error) as caught:
        parse_tagging_header({"x-amz-tagging": "a=%24"})

    assert caught.value.code is ErrorCode.InvalidTag
    assert caught.value.detail == {"TagKey": "a", "TagValue": "$"}


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(("space key", " with space "), id="spaces"),
        pytest.param(("+-=._:/@", "+-=._:/@"), id="signs"),
        pytest.param(("環境", "本番"), id="letters"),
        pytest.param(("Ⅷ²", "४"), id="numbers"),
        pytest.param(("a\xa0b", "a\u3000b"), id="spaces of other widths"),
        pytest.param(("a" * 128, "a" * 256), id="longest"),
        pytest.param(("𐐀" * 64, "𐐀" * 128), id="longest of pairs in UTF-16"),
    ],
)
def test_check_tags_takes(tag: tuple[str, str]) -> None:
    assert check_tags([tag]) == dict([tag])


INVALID_KEY = "The TagKey you have provided is invalid"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("", INVALID_KEY, id="empty"),
        pytest.param("Key1,Key2", INVALID_KEY, id="comma"),
        pytest.param("a\tb", INVALID_KEY, id="tab"),
        pytest.param("a\0", INVALID_KEY, id="NUL"),
        pytest.param("😀", INVALID_KEY, id="symbol"),
        pytest.param("key-\u0345", INVALID_KEY, id="combining mark"),
        pytest.param("a" * 129, INVALID_KEY, id="too long"),
        pytest.param("𐐀" * 65, INVALID_KEY, id="too long in UTF-16"),
        pytest.param("aws:prefixed", "Your TagKey cannot be prefixed with aws:", id="reserved"),
        pytest.param("AWS:a", "Your TagKey cannot be prefixed with aws:", id="reserved, upper"),
    ],
)
def test_check_tags_refuses_a_key(key: str, message: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_tags([("a", "1"), (key, "1")])

    assert (caught.value.code, caught.value.message) == (ErrorCode.InvalidTag, message)
    assert caught.value.detail == {"TagKey": key}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Val1,Val2", id="comma"),
        pytest.param("a\n", id="line feed"),
        pytest.param("value-\u0345", id="combining mark"),
        pytest.param("a" * 257, id="too long"),
        pytest.param("𐐀" * 129, id="too long in UTF-16"),
    ],
)
def test_check_tags_refuses_a_value(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_tags([("a", value)])

    assert caught.value.code is ErrorCode.InvalidTag
    assert caught.value.message == "The TagValue you have provided is invalid"
    assert caught.value.detail == {"TagKey": "a", "TagValue": value}


def test_check_tags_refuses_equal_keys() -> None:
    with pytest.raises(S3Error) as caught:
        check_tags([("Key1", "1"), ("Key1", "1")])

    assert caught.value.code is ErrorCode.InvalidTag
    assert caught.value.message == "Cannot provide multiple Tags with the same key"
    assert caught.value.detail == {"TagKey": "Key1"}


def test_check_tags_takes_ten_and_refuses_eleven() -> None:
    """S3's words: boto3 issue 1213."""
    tags = [(str(number), "") for number in range(11)]

    taken = check_tags(tags[:10])
    with pytest.raises(S3Error) as caught:
        check_tags(tags)

    assert len(taken) == 10
    assert caught.value.code is ErrorCode.BadRequest
    assert caught.value.message == "Object tags cannot be greater than 10"
