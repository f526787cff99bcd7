from datetime import UTC, datetime

import pytest

from server.rules.timestamps import parse_iso_8601, whole_second

MOMENT = datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC)


def test_last_modified_is_kept_in_whole_seconds() -> None:
    assert whole_second(MOMENT.replace(microsecond=999_999)) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "2009-10-12T17:50:30Z",
        "2009-10-12T17:50:30.000Z",
        "2009-10-12T17:50:30.987654Z",
        "2009-10-12T17:50:30+00:00",
    ],
)
def test_parse_iso_8601_reads_times_in_utc(text: str) -> None:
    assert parse_iso_8601(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "2009-10-12",
        "2009-10-12T17:50:30",
        "2009-10-12T17:50:30+02:00",
        "2009-13-12T17:50:30Z",
        "2009-10-12T17:50:30Z\n",
        "20091012T175030Z",
    ],
)
def test_parse_iso_8601_takes_nothing_else(text: str) -> None:
    assert parse_iso_8601(text) is None
