"""What a request says about who signed it, read but not yet believed.

Named tuples, for a request makes several of them: a frozen dataclass of eight fields takes 3 µs to
make, such a tuple 0.8.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sigv4.canonical import Parameter
from sigv4.request import SignedRequest


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """The credential of Version 4: a key, and the day, region and service it signs for."""

    access_key_id: str  # may hold "/"
    date: str  # eight digits, "20130524"
    region: str
    service: str
    terminal: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{self.terminal}"


class SignatureV4(NamedTuple):
    """A Version 4 signature and all that it covers, wherever the request carried it."""

    request: SignedRequest
    query: str  # canonical, without X-Amz-Signature
    credential: CredentialScope
    signed_headers: tuple[str, ...]  # lower case, sorted
    signature: str  # as sent, of any form
    signed_at: datetime
    timestamp: str  # the same, "20130524T000000Z"
    content_sha256: str  # 64 lower-case hex digits or a known literal


class HeaderV4(NamedTuple):
    """Authorization: AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=..."""

    signed: SignatureV4
    date_header: str  # the time as sent, for the error document

    @property
    def access_key_id(self) -> str:
        """Return the key that is said to have signed."""
        return self.signed.credential.access_key_id


class QueryV4(NamedTuple):
    """A presigned URL of Version 4."""

    signed: SignatureV4
    valid_for: timedelta  # 1 second to 7 days, counted from signed_at
    hoisted: Mapping[str, str]  # as in Verified

    @property
    def access_key_id(self) -> str:
        """Return the key that is said to have signed."""
        return self.signed.credential.access_key_id


class HeaderV2(NamedTuple):
    """Authorization: AWS access-key-id:signature"""

    request: SignedRequest
    parameters: tuple[Parameter, ...]
    access_key_id: str
    signature: str  # as sent, of any form
    date_line: str  # the line of the string to sign: Date as sent, empty if x-amz-date is
    date_header: str  # the time as sent, for the error document
    signed_at: datetime


class QueryV2(NamedTuple):
    """A presigned URL of Version 2."""

    request: SignedRequest
    parameters: tuple[Parameter, ...]
    access_key_id: str
    signature: str  # as sent, of any form
    expires: str  # seconds since 1970, as sent: one to ten digits
    hoisted: Mapping[str, str]  # as in Verified


Claim = HeaderV4 | QueryV4 | HeaderV2 | QueryV2
