"""Integers in queries and headers."""

import re
from typing import Final

from server.rules.arguments import invalid_argument
from server.rules.limits import MAX_INT32

# int() also takes "1_0", " 7 ", "+7" and digits of other scripts. 19 digits hold any 64-bit
# number; int() itself refuses more than 4300 of them with a ValueError.
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def parse_digits(text: str, maximum: int) -> int | None:
    """Return the number, or None where the text is not digits alone or exceeds the maximum."""
    if not _INTEGER.fullmatch(text) or text[0] == "-":
        return None
    number = int(text)
    return number if number <= maximum else None


def parse_integer(
    text: str,
    name: str,
    minimum: int = 0,
    maximum: int = MAX_INT32,
    *,
    name_in_range_error: str | None = None,
) -> int:
    """Return the number that a query parameter or header holds.

    name_in_range_error: S3 calls max-keys "maxKeys" where the number is out of range.

    Raises S3Error InvalidArgument (400) in S3's two wordings: the text is no 32-bit integer, or
    the integer lies outside minimum and maximum.

    Source: answers of S3 to max-keys, max-uploads and max-buckets, recorded in September 2026.
    """
    number = int(text) if _INTEGER.fullmatch(text) else None
    if number is None or not -MAX_INT32 - 1 <= number <= MAX_INT32:
        raise invalid_argument(
            f"Provided {name} not an integer or within integer range", name, text
        )
    if not minimum <= number <= maximum:
        shown = name_in_range_error or name
        raise invalid_argument(
            f"Argument {shown} must be an integer between {minimum} and {maximum}",
            shown,
            str(number),
        )
    return number
