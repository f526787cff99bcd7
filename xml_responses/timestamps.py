"""Timestamps as S3's documents spell them."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from xml_responses.errors import MalformedXML

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_HTTP_DATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{2})"
    rf" (?P<month>{'|'.join(_MONTHS)}) (?P<year>[0-9]{{4}})"
    r" (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) GMT"
)
_ISO_8601: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.[0-9]{1,9})?Z"
)


# Objects that were written together show the same second.
@lru_cache(maxsize=1024)
def timestamp(moment: datetime) -> str:
    """Return "2009-10-12T17:50:30.000Z": UTC, milliseconds cut off, not rounded.

    moment: aware, of any time zone.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def parse_timestamp(text: str) -> datetime:
    """Return the moment, UTC, that a request body names; fractions of a second are cut off.

    text: an HTTP date, as the SDKs send it ("Wed, 21 Oct 2015 07:28:00 GMT"), or ISO 8601
          in UTC, as S3 itself writes it.

    Raises MalformedXML.
    """
    found = _HTTP_DATE.fullmatch(text) or _ISO_8601.fullmatch(text)
    if found is None:
        raise MalformedXML("a timestamp is in no known form")
    month = found["month"]
    try:
        return datetime(
            int(found["year"]),
            _MONTHS.index(month) + 1 if month in _MONTHS else int(month),
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            int(found["second"]),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise MalformedXML("a timestamp names no moment") from error
