"""Requests as clients sign them, and changes to them on their way.

botocore does the signing, so it is the judge of ours.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sigv4.authentication import Verified, parse_credentials, verify
from sigv4.errors import SignatureError
from sigv4.request import SignedRequest

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
URL = "http://127.0.0.1:9000/photos/2026/cat.jpg"


class _HeaderV4(S3SigV4Auth):
    def __init__(
        self, credentials: Credentials, service: str, region: str, content_sha256: str
    ) -> None:
        super().__init__(credentials, service, region)
        self._content_sha256 = content_sha256

    def payload(self, request: AWSRequest) -> str:
        return self._content_sha256


class _QueryV4(S3SigV4QueryAuth):
    def payload(self, request: AWSRequest) -> str:
        return request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")


class _HeaderV2(HmacV1Auth):
    def __init__(self, credentials: Credentials, date: str) -> None:
        super().__init__(credentials)
        self._date = date

    def _get_date(self) -> str:
        return self._date


class _QueryV2(HmacV1QueryAuth):
    def __init__(self, credentials: Credentials, date: str) -> None:
        super().__init__(credentials)
        self._date = date

    def _get_date(self) -> str:
        return self._date


def _sent(request: AWSRequest, *, bucket: str | None = None) -> SignedRequest:
    url = urlsplit(str(request.url))
    headers = {name.lower(): value.strip(" \t") for name, value in request.headers.items()}
    headers.setdefault("host", url.netloc)
    return SignedRequest(str(request.method), url.path, url.query, headers, bucket)


def header_v4(
    method: str = "GET",
    url: str = URL,
    headers: Mapping[str, str] | None = None,
    *,
    access_key: str = ACCESS_KEY,
    region: str = REGION,
    service: str = "s3",
    at: datetime = NOW,
    content_sha256: str = EMPTY_SHA256,
) -> SignedRequest:
    """Return a request with a Version 4 Authorization header."""
    request = AWSRequest(method, url, headers=dict(headers or {}))
    signer = _HeaderV4(Credentials(access_key, SECRET), service, region, content_sha256)
    _sign_at(at, signer, request)
    return _sent(request)


def query_v4(
    method: str = "GET",
    url: str = URL,
    headers: Mapping[str, str] | None = None,
    *,
    access_key: str = ACCESS_KEY,
    region: str = REGION,
    service: str = "s3",
    at: datetime = NOW,
    expires: int = 3600,
) -> SignedRequest:
    """Return a presigned Version 4 request that carries the signed headers."""
    request = AWSRequest(method, url, headers=dict(headers or {}))
    signer = _QueryV4(Credentials(access_key, SECRET), service, region, expires=expires)
    _sign_at(at, signer, request)
    return _sent(request)


def _sign_at(at: datetime, signer: SigV4Auth, request: AWSRequest) -> None:
    with patch("botocore.auth.get_current_datetime", return_value=at):
        signer.add_auth(request)


def header_v2(
    method: str = "GET",
    url: str = URL,
    headers: Mapping[str, str] | None = None,
    *,
    access_key: str = ACCESS_KEY,
    at: datetime = NOW,
    bucket: str | None = None,
    auth_path: str | None = None,
) -> SignedRequest:
    """Return a request with a Version 2 Authorization header."""
    request = AWSRequest(method, url, headers=dict(headers or {}), auth_path=auth_path)
    date = format_datetime(at, usegmt=True)
    _HeaderV2(Credentials(access_key, SECRET), date).add_auth(request)
    return _sent(request, bucket=bucket)


def query_v2(
    method: str = "GET",
    url: str = URL,
    headers: Mapping[str, str] | None = None,
    *,
    access_key: str = ACCESS_KEY,
    expires: int | str = int(NOW.timestamp()) + 3600,
    bucket: str | None = None,
    auth_path: str | None = None,
) -> SignedRequest:
    """Return a presigned Version 2 request that carries the signed headers."""
    request = AWSRequest(method, url, headers=dict(headers or {}), auth_path=auth_path)
    _QueryV2(Credentials(access_key, SECRET), str(expires)).add_auth(request)
    del request.headers["Date"]  # where botocore keeps Expires; it is not sent
    return _sent(request, bucket=bucket)


def accepted(
    request: SignedRequest,
    *,
    secret: str | None = SECRET,
    region: str = REGION,
    now: datetime = NOW,
) -> Verified:
    """Return what the server makes of a signed request."""
    claim = parse_credentials(request)
    assert claim is not None
    return verify(claim, secret, region=region, now=now)


def refused(
    request: SignedRequest,
    *,
    secret: str | None = SECRET,
    region: str = REGION,
    now: datetime = NOW,
) -> SignatureError:
    """Return how the server refuses a signed request."""
    with pytest.raises(SignatureError) as refusal:
        accepted(request, secret=secret, region=region, now=now)
    return refusal.value


def with_header(request: SignedRequest, name: str, value: str) -> SignedRequest:
    """Return the request with a header added or replaced after it was signed."""
    return request._replace(headers={**request.headers, name: value})


def without_header(request: SignedRequest, name: str) -> SignedRequest:
    """Return the request without a header that was there when it was signed."""
    headers = {key: value for key, value in request.headers.items() if key != name}
    return request._replace(headers=headers)


def with_query(request: SignedRequest, query: str) -> SignedRequest:
    """Return the request with parameters added after it was signed."""
    joined = "&".join(part for part in (request.raw_query, query) if part)
    return request._replace(raw_query=joined)


def edited(request: SignedRequest, old: str, new: str) -> SignedRequest:
    """Return the request with a part of its credentials replaced, in header or query."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        assert old in authorization
        return with_header(request, "authorization", authorization.replace(old, new, 1))
    old, new = old.replace("/", "%2F"), new.replace("/", "%2F")
    assert old in request.raw_query
    return request._replace(raw_query=request.raw_query.replace(old, new, 1))
