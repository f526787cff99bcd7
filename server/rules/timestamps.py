"""Times of objects: whole seconds, as S3 keeps them, and ISO 8601."""

import re
from datetime import UTC, datetime
from typing import Final

_ISO_8601: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-]00:?00)",
    re.ASCII,
)


def whole_second(moment: datetime) -> datetime:
    """Return the start of the second, which S3 records as Last-Modified and lists as ".000Z"."""
    return moment.replace(microsecond=0)


def parse_iso_8601(text: str) -> datetime | None:
    """Return the time, in UTC and whole seconds, or None where the text is not one in UTC."""
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(group) for group in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
