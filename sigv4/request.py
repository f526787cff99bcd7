"""What of a request its signature covers."""

from collections.abc import Mapping
from typing import NamedTuple

# Headers that decide who signed what. Two of one of them must be refused before headers are
# joined: a proxy, the HTTP library and this package could each believe another one.
UNREPEATABLE_HEADERS = frozenset(
    {"authorization", "content-length", "host", "x-amz-content-sha256", "x-amz-date"}
)


class SignedRequest(NamedTuple):
    """A request as it came from the wire, before anything is decoded.

    raw_path:  up to "?", percent-encoded; "/" at least.
    raw_query: after "?", encoded; "" without one.
    headers:   lower-case names, values stripped, repeated headers joined with ",". Bytes that
               are not UTF-8 are surrogate escapes.
    bucket:    the bucket that the Host header names in virtual-hosted style; None in path style.
               Version 2 signs it as if it stood in the path.
    """

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    bucket: str | None = None
