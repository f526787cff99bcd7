from datetime import UTC, datetime, timedelta, timezone

import pytest

from xml_responses.errors import MalformedXML
from xml_responses.timestamps import parse_timestamp, timestamp


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        pytest.param(
            datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC),
            "2009-10-12T17:50:30.000Z",
            id="whole seconds",
        ),
        pytest.param(
            datetime(2009, 10, 12, 17, 50, 30, 999_999, tzinfo=UTC),
            "2009-10-12T17:50:30.999Z",
            id="cut off, not rounded",
        ),
        pytest.param(
            datetime(2010, 1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=2))),
            "2009-12-31T23:00:00.000Z",
            id="another time zone",
        ),
    ],
)
def test_timestamp_is_utc_with_milliseconds(moment: datetime, written: str) -> None:
    assert timestamp(moment) == written


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "2015-10-21T07:28:00Z",
        "2015-10-21T07:28:00.000Z",
        "2015-10-21T07:28:00.999999999Z",
    ],
)
def test_parse_timestamp_reads_http_dates_and_iso_8601(text: str) -> None:
    assert parse_timestamp(text) == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Wed, 1 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +0200",
        "Wed, 31 Feb 2015 07:28:00 GMT",
        "Wed, 21 okt 2015 07:28:00 GMT",
        "2015-10-21T07:28:00",
        "2015-13-21T07:28:00Z",
        "2015-10-21T24:28:00Z",
        "0000-10-21T07:28:00Z",
        "2015-10-21T07:28:00Z\n",
        "٢٠١٥-10-21T07:28:00Z",
        "1445412480",
    ],
)
def test_parse_timestamp_refuses_anything_else(text: str) -> None:
    with pytest.raises(MalformedXML):
        parse_timestamp(text)
