"""Tags of objects: which ones S3 takes, and how a header spells them.

Source: S3 User Guide, "Categorizing your objects using tags"; S3 API reference, S3Tag; answers of
S3 recorded in January and April 2025.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote_plus

from server.errors import ErrorCode, S3Error
from server.rules.arguments import invalid_argument
from server.rules.limits import MAX_OBJECT_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE

_HEADER: Final = "x-amz-tagging"
_RESERVED: Final = "aws:"
_SIGNS: Final = frozenset("+-=._:/@")
# Letters, numbers and separators: \p{L}, \p{N} and \p{Z} in S3's own pattern. A tab is none.
_CLASSES: Final = frozenset("LNZ")
# What may stand in the header unencoded is what may stand in a tag; "=" and "&" separate, and "+"
# is a space. S3 refuses "k=a,b" as not encoded, and "k=a%2Cb" as no tag.
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9 +\-._:/@]|%[0-9A-Fa-f]{2})*")


def parse_tagging_header(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that an upload gives its object; none where it names none.

    The header is a URL-encoded query, "project=blue&owner=J%C3%BCrgen". A key alone has the value
    "", and nothing between two "&" is nothing.

    Raises S3Error InvalidArgument (400) for another form, an empty key and equal keys; else as
    check_tags does.
    """
    header = headers.get(_HEADER)
    if not header:
        return {}
    tags = []
    for field in filter(None, header.split("&")):
        key, _, value = field.partition("=")
        tags.append((_decode(key, header), _decode(value, header)))
    keys = {key for key, _ in tags}
    if "" in keys or len(keys) < len(tags):
        raise _not_a_query(header)
    return check_tags(tags)


def check_tags(tags: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the tags, given as (key, value), where an object can have them all.

    Raises S3Error BadRequest (400) for more than 10, InvalidTag (400) for equal keys, for a key
    that is reserved, and for a key or value that is too long or has other characters.
    """
    if len(tags) > MAX_OBJECT_TAGS:
        raise S3Error(ErrorCode.BadRequest, f"Object tags cannot be greater than {MAX_OBJECT_TAGS}")
    checked: dict[str, str] = {}
    for key, value in tags:
        if key in checked:
            raise S3Error(
                ErrorCode.InvalidTag, "Cannot provide multiple Tags with the same key", TagKey=key
            )
        if key[: len(_RESERVED)].lower() == _RESERVED:
            raise S3Error(
                ErrorCode.InvalidTag, "Your TagKey cannot be prefixed with aws:", TagKey=key
            )
        if not key or not _is_taggable(key, MAX_TAG_KEY):
            raise S3Error(
                ErrorCode.InvalidTag, "The TagKey you have provided is invalid", TagKey=key
            )
        if not _is_taggable(value, MAX_TAG_VALUE):
            raise S3Error(
                ErrorCode.InvalidTag,
                "The TagValue you have provided is invalid",
                TagKey=key,
                TagValue=value,
            )
        checked[key] = value
    return checked


def _is_taggable(text: str, maximum: int) -> bool:
    # S3 counts in UTF-16, where a character beyond the Basic Multilingual Plane is two.
    return len(text.encode("utf-16-le", "surrogatepass")) <= 2 * maximum and all(
        character in _SIGNS or unicodedata.category(character)[0] in _CLASSES for character in text
    )


def _decode(text: str, header: str) -> str:
    if _ENCODED.fullmatch(text):
        try:
            return unquote_plus(text, errors="strict")
        except UnicodeDecodeError:
            pass
    raise _not_a_query(header)


def _not_a_query(header: str) -> S3Error:
    return invalid_argument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters"
        " without tag name duplicates.",
        _HEADER,
        header,
    )
