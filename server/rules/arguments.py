"""Arguments that are refused: the errors, with the elements that S3 gives them."""

import re
from typing import Final

from server.errors import ErrorCode, S3Error

# A tab may stand in a header.
CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def printable(text: str) -> str:
    """Return the text as an error document can show it: bytes that were not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def invalid_argument(message: str, name: str, value: str | None = None) -> S3Error:
    """Return InvalidArgument (400) naming the query parameter, header or element at fault.

    value: as the client sent it; left out of the document where it is None.
    """
    detail = {"ArgumentName": name}
    if value is not None:
        detail["ArgumentValue"] = printable(value)
    return S3Error(ErrorCode.InvalidArgument, message, headers=None, **detail)


def header_not_implemented(header: str, reason: str) -> S3Error:
    """Return NotImplemented (501) naming the header and, in our words or S3's, why."""
    return S3Error(ErrorCode.NotImplemented, Header=header, additionalMessage=reason)


def check_header_value(name: str, value: str) -> None:
    """Raise S3Error InvalidArgument (400) for a header that no reply may repeat.

    value: bytes that were not UTF-8 stand in it as surrogate escapes.
    """
    if CONTROL.search(value):
        raise invalid_argument("Header value has control characters.", name, value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise invalid_argument("Header value is not UTF-8.", name, value) from error
