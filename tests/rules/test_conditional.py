from datetime import UTC, datetime, timedelta

import pytest

from server.errors import ErrorCode, S3Error
from server.model.names import ETag
from server.rules.conditional import (
    check_copy_source_conditions,
    check_read_conditions,
    if_range_holds,
    parse_copy_source_conditions,
    parse_read_conditions,
)

ETAG = ETag("9a03")
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
NOW = MODIFIED + timedelta(days=30)
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
FUTURE = "Wed, 07 Dec 1994 08:49:37 GMT"


def check_read(headers: dict[str, str]) -> None:
    check_read_conditions(
        parse_read_conditions(headers), etag=ETAG, last_modified=MODIFIED, now=NOW
    )


def check_copy(headers: dict[str, str]) -> None:
    prefixed = {f"x-amz-copy-source-{name}": value for name, value in headers.items()}
    check_copy_source_conditions(
        parse_copy_source_conditions(prefixed), etag=ETAG, last_modified=MODIFIED, now=NOW
    )


HOLD = [
    pytest.param({}, id="no condition"),
    pytest.param({"if-match": '"9a03"'}, id="If-Match"),
    pytest.param({"if-match": "9a03"}, id="If-Match without quotes"),
    pytest.param({"if-match": '"other", "9a03"'}, id="If-Match, second of a list"),
    pytest.param({"if-match": "*"}, id="If-Match, any"),
    pytest.param({"if-none-match": '"other"'}, id="If-None-Match"),
    pytest.param({"if-unmodified-since": AT}, id="If-Unmodified-Since, same second"),
    pytest.param({"if-modified-since": BEFORE}, id="If-Modified-Since"),
    pytest.param({"if-modified-since": FUTURE}, id="If-Modified-Since in the future"),
    pytest.param(
        {"if-match": '"9a03"', "if-unmodified-since": BEFORE}, id="If-Match outweighs its date"
    ),
    pytest.param(
        {"if-none-match": '"other"', "if-modified-since": AFTER},
        id="If-None-Match outweighs its date",
    ),
]
FAIL = [
    pytest.param({"if-match": '"other"'}, "If-Match", id="If-Match"),
    pytest.param({"if-match": ""}, "If-Match", id="If-Match, empty"),
    pytest.param({"if-match": 'W/"9a03"'}, "If-Match", id="If-Match compares strongly"),
    pytest.param(
        {"if-match": '"other"', "if-unmodified-since": AFTER}, "If-Match", id="date does not help"
    ),
    pytest.param({"if-unmodified-since": BEFORE}, "If-Unmodified-Since", id="If-Unmodified-Since"),
    pytest.param({"if-none-match": '"9a03"'}, "If-None-Match", id="If-None-Match"),
    pytest.param({"if-none-match": "9a03"}, "If-None-Match", id="If-None-Match without quotes"),
    pytest.param({"if-none-match": 'W/"9a03"'}, "If-None-Match", id="If-None-Match is weak"),
    pytest.param({"if-none-match": "*"}, "If-None-Match", id="If-None-Match, any"),
    pytest.param(
        {"if-none-match": '"9a03"', "if-modified-since": BEFORE},
        "If-None-Match",
        id="If-None-Match outweighs its date",
    ),
    pytest.param({"if-modified-since": AT}, "If-Modified-Since", id="same second"),
    pytest.param({"if-modified-since": AFTER}, "If-Modified-Since", id="If-Modified-Since"),
]


@pytest.mark.parametrize("headers", HOLD)
def test_a_read_goes_on_where_its_conditions_hold(headers: dict[str, str]) -> None:
    check_read(headers)


@pytest.mark.parametrize(("headers", "failed"), FAIL)
def test_a_read_ends_at_the_first_condition_that_fails(
    headers: dict[str, str], failed: str
) -> None:
    """RFC 9110 section 13.2.2; S3 API reference, GetObject."""
    code = (
        ErrorCode.NotModified
        if failed in ("If-None-Match", "If-Modified-Since")
        else ErrorCode.PreconditionFailed
    )

    with pytest.raises(S3Error) as caught:
        check_read(headers)

    assert caught.value.code is code
    assert caught.value.detail.get("Condition", failed) == failed


def test_not_modified_carries_etag_and_last_modified() -> None:
    with pytest.raises(S3Error) as caught:
        check_read({"if-none-match": '"9a03"'})

    assert caught.value.headers == {"ETag": '"9a03"', "Last-Modified": AT}


def test_a_read_ignores_a_date_that_is_none() -> None:
    """RFC 9110 section 13.1.3."""
    check_read({"if-modified-since": "yesterday", "if-unmodified-since": "yesterday"})


@pytest.mark.parametrize("headers", HOLD)
def test_a_copy_goes_on_where_the_conditions_on_its_source_hold(headers: dict[str, str]) -> None:
    check_copy(headers)


@pytest.mark.parametrize(("headers", "failed"), FAIL)
def test_a_copy_is_never_answered_not_modified(headers: dict[str, str], failed: str) -> None:
    """S3 answered CopyObject so in November 2025, the Condition in this very case."""
    with pytest.raises(S3Error) as caught:
        check_copy(headers)

    assert caught.value.code is ErrorCode.PreconditionFailed
    assert caught.value.detail == {"Condition": f"x-amz-copy-source-{failed}"}


@pytest.mark.parametrize("name", ["if-modified-since", "if-unmodified-since"])
def test_a_copy_refuses_a_date_that_is_none(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_copy({name: "yesterday"})

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.detail["ArgumentName"] == f"x-amz-copy-source-{name}"


@pytest.mark.parametrize(
    ("if_range", "holds"),
    [
        pytest.param('"9a03"', True, id="ETag"),
        pytest.param('"other"', False, id="another ETag"),
        pytest.param('W/"9a03"', False, id="weak ETag"),
        pytest.param("9a03", False, id="ETag without quotes"),
        pytest.param('"other", "9a03"', False, id="list"),
        pytest.param("*", False, id="any"),
        pytest.param(AT, True, id="Last-Modified"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", True, id="Last-Modified in another form"),
        pytest.param(BEFORE, False, id="a second before"),
        pytest.param(AFTER, False, id="a second after"),
        pytest.param("1994-11-06T08:49:37Z", False, id="no HTTP date"),
        pytest.param("", False, id="empty"),
    ],
)
def test_if_range_holds_for_exactly_the_version_it_names(if_range: str, holds: bool) -> None:
    """RFC 9110 section 13.1.5."""
    assert if_range_holds(if_range, etag=ETAG, last_modified=MODIFIED) is holds
