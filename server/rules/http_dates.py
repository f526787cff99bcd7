"""HTTP dates.

Source: RFC 9110 section 5.6.7: the one form that is sent and the three that are read.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MONTH_NUMBERS: Final = {name: number for number, name in enumerate(_MONTHS, start=1)}

_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY: Final = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# strptime would take unpadded numbers and the names of the process's locale.
_FORMS: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


# Objects that are read often, or were written together, show the same second.
@lru_cache(maxsize=1024)
def format_http_date(moment: datetime) -> str:
    """Return the time as Last-Modified and Date carry it, e.g. "Sun, 06 Nov 1994 08:49:37 GMT".

    moment: UTC; fractions of a second are cut off. Independent of the locale.
    """
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04}"
        f" {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"
    )


def parse_http_date(text: str) -> datetime | None:
    """Return the time an HTTP date names, in UTC, or None where the text is no such date.

    Two-digit years from 70 belong to the 20th century. The day of the week is not compared.
    """
    for form in _FORMS:
        if match := form.fullmatch(text):
            break
    else:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += 1900 if year >= 70 else 2000
    try:
        return datetime(
            year,
            _MONTH_NUMBERS[match["month"]],
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
