"""Request headers as the rest of the server sees them: one value a name."""

from collections.abc import Mapping

from multidict import MultiMapping

from server.errors import ErrorCode, S3Error
from sigv4.request import UNREPEATABLE_HEADERS


def joined_headers(received: MultiMapping[str]) -> Mapping[str, str]:
    """Return lower-case names and stripped values; repeated headers are joined with ",".

    Raises S3Error InvalidRequest where a header is repeated that decides who signed what: two
    readers of such a request could each believe another one.
    """
    headers: dict[str, str] = {}
    for name, value in received.items():
        lower = name.lower()
        if lower not in headers:
            headers[lower] = value.strip(" \t")
        elif lower in UNREPEATABLE_HEADERS:
            raise S3Error(ErrorCode.InvalidRequest, f"The {lower} header must not be repeated.")
        else:
            headers[lower] += "," + value.strip(" \t")
    return headers
