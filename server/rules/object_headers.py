"""System metadata: the headers that an upload says of its object and a read replays.

Source: S3 User Guide, "Working with object metadata"; S3 API reference, GetObject, "response-…".
"""

from collections.abc import Mapping
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.object_version import ObjectContent
from server.rules.arguments import CONTROL, check_header_value, invalid_argument
from server.rules.storage_classes import STANDARD
from server.rules.user_metadata import user_metadata_headers

DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"

_CONTENT_ENCODING: Final = "Content-Encoding"
REDIRECT: Final = "x-amz-website-redirect-location"
_REPLAYED: Final[Mapping[str, str]] = {
    "content-type": "Content-Type",
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": _CONTENT_ENCODING,
    "content-language": "Content-Language",
    "expires": "Expires",
    REDIRECT: REDIRECT,
}
_OVERRIDES: Final[Mapping[str, str]] = {
    "response-content-type": "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": _CONTENT_ENCODING,
}


def parse_object_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the system metadata of an upload, names in S3's own case; values as they were sent.

    Content-Type is binary/octet-stream where none was sent. Content-Encoding loses aws-chunked,
    which is how the body travelled and not what it is.

    Raises S3Error InvalidArgument (400) for a value with control characters or that is no UTF-8,
    InvalidRedirectLocation (400) for a redirect that is neither a URL nor a path.
    """
    stored = {"Content-Type": DEFAULT_CONTENT_TYPE}
    for name, shown in _REPLAYED.items():
        value = headers.get(name)
        if not value:
            continue
        check_header_value(name, value)
        if shown is _CONTENT_ENCODING:
            value = without_aws_chunked(value)
            if not value:
                continue
        elif shown is REDIRECT and not value.startswith(("/", "http://", "https://")):
            raise S3Error(ErrorCode.InvalidRedirectLocation)
        stored[shown] = value
    return stored


def reply_headers(content: ObjectContent) -> dict[str, str]:
    """Return the headers of a GET or HEAD that tell what the writer said of the object.

    The storage class is left out where it is STANDARD, the number of tags where there are none, as
    S3 does.
    """
    headers = dict(content.headers)
    headers.update(user_metadata_headers(content.user_metadata))
    if content.storage_class != STANDARD:
        headers["x-amz-storage-class"] = content.storage_class
    if content.tags:
        headers["x-amz-tagging-count"] = str(len(content.tags))
    return headers


def parse_response_overrides(query: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that response-… parameters put in place of the stored ones.

    An empty parameter overrides nothing. S3 takes them from signed requests only: the caller sees
    to that.

    Raises S3Error InvalidArgument (400) for a value with control characters, or with characters
    beyond ISO 8859-1, which a header cannot carry.
    """
    overrides = {}
    for name, shown in _OVERRIDES.items():
        value = query.get(name)
        if not value:
            continue
        if CONTROL.search(value) or max(value) > "\xff":
            raise invalid_argument(
                "Header value cannot be represented using ISO-8859-1.", name, value
            )
        overrides[shown] = value
    return overrides


def without_aws_chunked(content_encoding: str) -> str:
    """Return the codings of a Content-Encoding but aws-chunked; "" where no other is left."""
    codings = [coding.strip() for coding in content_encoding.split(",")]
    if not any(coding.lower() == "aws-chunked" for coding in codings):
        return content_encoding
    return ",".join(coding for coding in codings if coding and coding.lower() != "aws-chunked")
