"""Where a page of a listing begins: markers, continuation tokens and range scans.

Keys sort by their UTF-8 bytes. That is the order of their code points, and so of Python strings.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from server.errors import S3Error
from server.rules.arguments import invalid_argument

_TOKEN_VERSION: Final = 1
_KEY: Final = 0x4B
_PREFIX: Final = 0x50
_LAST_CODE_POINT: Final = 0x10FFFF
_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000


@dataclass(frozen=True, slots=True)
class AfterKey:
    """The page begins with the first key behind this one."""

    key: str


@dataclass(frozen=True, slots=True)
class AfterPrefix:
    """The page before ended with this common prefix: skip all keys that have it."""

    prefix: str


Position = AfterKey | AfterPrefix


@dataclass(frozen=True, slots=True)
class ScanStart:
    """The lower bound of a range scan over keys."""

    key: str
    inclusive: bool


def prefix_end(prefix: str) -> str | None:
    """Return the smallest string that sorts behind every string with the prefix.

    Keys with the prefix are the range from it, inclusive, to this, exclusive. None: the range has
    no end, because the prefix is empty or all U+10FFFF. Surrogates are left out, UTF-8 has none.
    """
    for length in range(len(prefix), 0, -1):
        last = ord(prefix[length - 1])
        if last == _LAST_CODE_POINT:
            continue
        following = last + 1
        if following == _FIRST_SURROGATE:
            following = _AFTER_SURROGATES
        return prefix[: length - 1] + chr(following)
    return None


def scan_start(position: Position | None, prefix: str) -> ScanStart | None:
    """Return where to begin a scan of the keys with the prefix; None where no key can follow."""
    start = ScanStart(prefix, inclusive=True)
    match position:
        case None:
            return start
        case AfterKey(key):
            return start if key < prefix else ScanStart(key, inclusive=False)
        case AfterPrefix(skipped):
            end = prefix_end(skipped)
            if end is None:
                return None
            return start if end < prefix else ScanStart(end, inclusive=True)


def after_marker(marker: str, prefix: str, delimiter: str) -> Position | None:
    """Return where ListObjects goes on behind a marker, or None for an empty one.

    The marker may be the common prefix that ended the page before, or lie inside of one; either
    way that prefix has been listed and does not come again.
    """
    if not marker:
        return None
    if delimiter and marker.startswith(prefix):
        end = marker.find(delimiter, len(prefix))
        if end >= 0:
            return AfterPrefix(marker[: end + len(delimiter)])
    return AfterKey(marker)


def encode_token(position: Position) -> str:
    """Return the continuation token of a position: opaque, URL-safe text.

    Every version of the server reads the tokens of this one, so a listing survives an upgrade.
    """
    if isinstance(position, AfterKey):
        kind, text = _KEY, position.key
    else:
        kind, text = _PREFIX, position.prefix
    return base64.urlsafe_b64encode(bytes((_TOKEN_VERSION, kind)) + text.encode()).decode("ascii")


def decode_token(token: str) -> Position:
    """Return the position of a token. Raises S3Error InvalidArgument (400) for any other text."""
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        text = raw[2:].decode()
    except (binascii.Error, ValueError) as error:
        raise incorrect_token() from error
    kinds: dict[bytes, Position] = {
        bytes((_TOKEN_VERSION, _KEY)): AfterKey(text),
        bytes((_TOKEN_VERSION, _PREFIX)): AfterPrefix(text),
    }
    position = kinds.get(raw[:2])
    # "+" and "/" decode too, and so do stray bits at the end: only our own spelling is ours.
    if position is None or not text or "\0" in text or encode_token(position) != token:
        raise incorrect_token()
    return position


def incorrect_token() -> S3Error:
    """Return InvalidArgument (400) in S3's words."""
    return invalid_argument("The continuation token provided is incorrect", "continuation-token")
