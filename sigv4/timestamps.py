"""The two forms in which a request tells its time, and the form in which answers tell ours."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

# How far the clocks of client and server may be apart.
MAX_SKEW = timedelta(minutes=15)

_basic = re.compile(r"[0-9]{8}T[0-9]{6}Z").fullmatch
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# email.utils would take two-digit years, comments and days that do not exist.
_http_date = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" ([0-9]{2}:[0-9]{2}:[0-9]{2}) (?:GMT|UTC|[+-]0000)"
).fullmatch


def parse_amz_date(text: str) -> datetime | None:
    """Return the time of an X-Amz-Date such as "20130524T000000Z"; None where it is not one."""
    return _read_basic(text) if _basic(text) else None


# Many requests are signed in the same second.
@lru_cache(maxsize=64)
def _read_basic(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def parse_date_header(text: str) -> datetime | None:
    """Return the time of a Date or x-amz-date header; None where it cannot be read.

    Either as in X-Amz-Date, or as in HTTP: "Fri, 24 May 2013 00:00:00 GMT". Zones other than UTC
    are not read; s3cmd and botocore write it "+0000" and "-0000".
    """
    match = _http_date(text)
    if match is None:
        return parse_amz_date(text)
    day, month, year, clock = match.groups()
    try:
        return datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}Z")
    except ValueError:
        return None


def amz_date(moment: datetime) -> str:
    """Return the time as signatures spell it: "20130524T000000Z"."""
    return f"{moment:%Y%m%dT%H%M%SZ}"


def server_time(moment: datetime) -> str:
    """Return the time as error documents spell it: "2013-05-24T00:00:00Z"."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
