from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.rules.http_dates import format_http_date, parse_http_date

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", id="IMF-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", id="RFC 850"),
        pytest.param("Sun Nov  6 08:49:37 1994", id="asctime"),
    ],
)
def test_parse_http_date_reads_the_three_forms(text: str) -> None:
    """RFC 9110 section 5.6.7."""
    assert parse_http_date(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sun, 6 Nov 1994 08:49:37 GMT", id="unpadded day"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 UTC", id="another zone"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 +0000", id="offset"),
        pytest.param("sun, 06 nov 1994 08:49:37 GMT", id="lower case"),
        pytest.param("Sun, 31 Feb 1994 08:49:37 GMT", id="day that is none"),
        pytest.param("Sun, 06 Nov 1994 24:49:37 GMT", id="hour that is none"),
        pytest.param("Sun, 06 Nov 0000 08:49:37 GMT", id="year that is none"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT\n", id="newline"),
        pytest.param("Sun, 0٣ Nov 1994 08:49:37 GMT", id="arabic digit"),
        pytest.param("", id="empty"),
    ],
)
def test_parse_http_date_takes_nothing_else(text: str) -> None:
    assert parse_http_date(text) is None


def test_two_digit_years_are_of_this_century_below_70() -> None:
    parsed = parse_http_date("Sunday, 06-Nov-22 08:49:37 GMT")

    assert parsed is not None
    assert parsed.year == 2022


@given(st.integers(0, 4_000_000_000))
def test_format_http_date_writes_what_the_standard_library_writes(seconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    assert format_http_date(moment) == format_datetime(moment, usegmt=True)
    assert parse_http_date(format_http_date(moment)) == moment
