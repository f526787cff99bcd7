"""Which bytes a Range header, a copy range or a part number selects."""

import re
from typing import Final

from server.errors import ErrorCode, S3Error
from server.rules.arguments import invalid_argument, printable

# 20 digits hold any unsigned 64-bit number, which some clients send for "to the end";
# int() itself refuses more than 4300 with a ValueError.
_ONE_RANGE: Final = re.compile(r"bytes=([0-9]{0,20})-([0-9]{0,20})", re.ASCII | re.IGNORECASE)
_COPY_RANGE: Final = re.compile(r"bytes=([0-9]{1,20})-([0-9]{1,20})", re.ASCII)

_COPY_RANGE_FORM: Final = (
    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last"
    " are the zero-based offsets of the first and last bytes to copy"
)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte a Range header selects, both inclusive.

    header: value as sent: "bytes=0-499", "bytes=500-" or "bytes=-200" (the last 200).
    size:   length of the object in bytes; 0 is allowed.

    Returns None where the header does not ask for exactly one byte range: the caller
    then sends the whole object with status 200, as RFC 9110 lets a server do.
    Raises S3Error InvalidRange (416) where the range selects no byte.

    Source: RFC 9110 section 14.1.2; S3 API reference, GetObject, "Range".
    """
    match = _ONE_RANGE.fullmatch(header)
    if match is None:
        return None
    first_text, last_text = match.groups()
    if first_text:
        first = int(first_text)
        last = min(int(last_text), size - 1) if last_text else size - 1
        if last_text and int(last_text) < first:
            return None
    elif last_text:
        first = max(size - int(last_text), 0)
        last = size - 1
    else:
        return None
    if first > last:
        raise S3Error(
            ErrorCode.InvalidRange,
            headers={"Content-Range": f"bytes */{size}"},
            ActualObjectSize=str(size),
            RangeRequested=printable(header),
        )
    return first, last


def parse_copy_range(header: str, size: int) -> tuple[int, int]:
    """Return the first and last byte of x-amz-copy-source-range, both inclusive.

    header: value as sent; only "bytes=first-last" is taken.
    size:   length of the source object in bytes.

    Raises S3Error InvalidArgument (400) for any other form and for a last byte beyond the source,
    InvalidRequest (400) for a first byte beyond it.

    Source: answers of S3 to UploadPartCopy, recorded in June 2025.
    """
    match = _COPY_RANGE.fullmatch(header)
    if match is None or int(match[1]) > int(match[2]):
        raise invalid_argument(_COPY_RANGE_FORM, "x-amz-copy-source-range", header)
    first, last = int(match[1]), int(match[2])
    if first >= size:
        raise S3Error(
            ErrorCode.InvalidRequest,
            "The specified copy range is invalid for the source object size",
        )
    if last >= size:
        raise invalid_argument(
            f"Range specified is not valid for source object of size: {size}",
            "x-amz-copy-source-range",
            header,
        )
    return first, last


def no_such_part(number: int, *, parts: int) -> S3Error:
    """Return InvalidPartNumber (416): a read asks for a part beyond those that the object has.

    number: counted from 1, whatever number the part was uploaded under; an object that was not
            uploaded in parts has one.
    """
    return S3Error(
        ErrorCode.InvalidPartNumber, ActualPartCount=str(parts), PartNumberRequested=str(number)
    )


def check_range_or_part(range_header: str | None, part_number: str | None) -> None:
    """Raise S3Error InvalidRequest (400) where a read asks for a range and for a part."""
    if range_header is not None and part_number is not None:
        raise S3Error(
            ErrorCode.InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter",
        )
