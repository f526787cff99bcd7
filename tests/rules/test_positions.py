import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ErrorCode, S3Error
from server.rules.positions import (
    AfterKey,
    AfterPrefix,
    Position,
    ScanStart,
    after_marker,
    decode_token,
    encode_token,
    prefix_end,
    scan_start,
)

# Few characters, so that prefixes meet; the ends of the planes and of the surrogates among them.
NEIGHBOURS = "\x01az\x7f\x80\ud7ff\ue000\uffff\U00010000\U0010fffe\U0010ffff"
text = st.text(NEIGHBOURS, max_size=4)
any_text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("photos/", "photos0", id="ASCII"),
        pytest.param("\ud7ff", "\ue000", id="skips the surrogates"),
        pytest.param("a\U0010ffff", "b", id="drops the last code point"),
        pytest.param("\U0010ffff\U0010ffff", None, id="nothing but the last code point"),
    ],
)
def test_prefix_end_is(prefix: str, end: str | None) -> None:
    assert prefix_end(prefix) == end


@given(prefix=text, key=text)
def test_prefix_end_bounds_exactly_the_keys_with_the_prefix(prefix: str, key: str) -> None:
    end = prefix_end(prefix)

    in_range = prefix.encode() <= key.encode() and (end is None or key.encode() < end.encode())

    assert in_range == key.startswith(prefix)


@given(position=st.one_of(text.map(AfterKey), text.map(AfterPrefix)), prefix=text, key=text)
def test_scan_start_bounds_exactly_the_keys_that_may_still_come(
    position: Position, prefix: str, key: str
) -> None:
    if isinstance(position, AfterKey):
        comes = key.encode() > position.key.encode()
    else:
        comes = key.encode() > position.prefix.encode() and not key.startswith(position.prefix)

    start = scan_start(position, prefix)
    scanned = start is not None and (key > start.key or (start.inclusive and key == start.key))

    assert (scanned and key.startswith(prefix)) == (comes and key.startswith(prefix))


def test_a_scan_without_a_position_begins_at_the_prefix() -> None:
    assert scan_start(None, "a") == ScanStart("a", inclusive=True)


@pytest.mark.parametrize(
    ("marker", "prefix", "delimiter", "position"),
    [
        pytest.param("", "", "/", None, id="no marker"),
        pytest.param("a/b", "", "", AfterKey("a/b"), id="no delimiter"),
        pytest.param("a/", "", "/", AfterPrefix("a/"), id="the common prefix of the page before"),
        pytest.param("a/b", "", "/", AfterPrefix("a/"), id="a key inside a common prefix"),
        pytest.param("a/b", "a/", "/", AfterKey("a/b"), id="a key behind the prefix"),
        pytest.param("a/b/c", "a/", "/", AfterPrefix("a/b/"), id="below the prefix"),
        pytest.param("z/y", "a/", "/", AfterKey("z/y"), id="outside of the prefix"),
        pytest.param("a--b", "", "--", AfterPrefix("a--"), id="a longer delimiter"),
    ],
)
def test_after_marker_skips_a_common_prefix_that_was_listed(
    marker: str, prefix: str, delimiter: str, position: Position | None
) -> None:
    """S3 answered ListObjects so in January 2025: a marker inside of a common prefix hides it."""
    assert after_marker(marker, prefix, delimiter) == position


@given(any_text.filter(bool))
def test_tokens_come_back_as_the_position_they_were_made_of(text: str) -> None:
    assert decode_token(encode_token(AfterKey(text))) == AfterKey(text)
    assert decode_token(encode_token(AfterPrefix(text))) == AfterPrefix(text)


@given(any_text.filter(bool))
def test_tokens_need_no_escaping_beyond_padding(text: str) -> None:
    token = encode_token(AfterKey(text)).rstrip("=")

    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()


GOOD = encode_token(AfterKey("k?"))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("rubbish!", id="no base64"),
        pytest.param("é", id="not ASCII"),
        pytest.param(GOOD[:-1], id="cut"),
        pytest.param(GOOD + "=", id="longer"),
        pytest.param(GOOD + "\n", id="newline"),
        pytest.param(base64.b64encode(b"\x01K").decode(), id="no key"),
        pytest.param(base64.b64encode(b"\x02Kkey").decode(), id="another version"),
        pytest.param(base64.b64encode(b"\x01Xkey").decode(), id="another kind"),
        pytest.param(base64.b64encode(b"\x01K\xff").decode(), id="no UTF-8"),
        pytest.param(base64.b64encode(b"\x01Ka\0").decode(), id="NUL"),
        pytest.param(base64.b64encode(b"\x01Kk\xc3\xbf?>").decode(), id="the other alphabet"),
    ],
)
def test_decode_token_refuses_what_is_no_token_of_ours(token: str) -> None:
    with pytest.raises(S3Error) as caught:
        decode_token(token)

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.message == "The continuation token provided is incorrect"
    assert caught.value.detail == {"ArgumentName": "continuation-token"}
