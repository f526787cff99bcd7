"""Signature Version 4, in the Authorization header and in the query.

Source: S3 API reference, "Authenticating Requests (AWS Signature Version 4)". Messages are those
that S3 answers.
"""

import hashlib
import re
from collections.abc import Hashable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from sigv4.canonical import (
    Parameter,
    canonical_headers,
    canonical_query,
    canonical_uri,
    decoded,
    unsigned_headers,
    wire_bytes,
)
from sigv4.claims import CredentialScope, HeaderV4, QueryV4, SignatureV4
from sigv4.errors import SignatureError, SignatureErrorCode
from sigv4.payloads import UNSIGNED_PAYLOAD, ChunkChain, Payload, check_content_sha256, payload_of
from sigv4.presigned import MAX_REMEMBERED, SignedQuery, malformed_query
from sigv4.request import SignedRequest
from sigv4.signing import ALGORITHM, NO_SECRET, same_signature, sign, signing_key
from sigv4.timestamps import MAX_SKEW, amz_date, parse_amz_date, parse_date_header, server_time

ECDSA_ALGORITHM = "AWS4-ECDSA-P256-SHA256"
_MAX_EXPIRES_SECONDS = 7 * 24 * 3600

_eight_digits = re.compile(r"[0-9]{8}").fullmatch
_seconds = re.compile(r"[0-9]{1,19}").fullmatch
_header_name = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch

# What a presigned URL says about itself, beside its signature.
_QUERY_COMPONENTS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)


class _Malformed(Hashable, Protocol):
    """Makes the error for a fault, in the words of the place that held the signature."""

    def __call__(self, fault: str, /, **detail: str) -> SignatureError: ...


def _malformed_header(fault: str, /, **detail: str) -> SignatureError:
    return SignatureError(
        SignatureErrorCode.AuthorizationHeaderMalformed,
        f"The authorization header is malformed; {fault}",
        **detail,
    )


def _malformed_query_credential(fault: str, /, **detail: str) -> SignatureError:
    return malformed_query(f"Error parsing the X-Amz-Credential parameter; {fault}", **detail)


def refuse_ecdsa() -> SignatureError:
    """Return the error for Version 4A, the asymmetric signature of multi-region requests."""
    return SignatureError(
        SignatureErrorCode.NotImplemented,
        f"Signature Version 4A ({ECDSA_ALGORITHM}) is not implemented by this server."
        f" Please use {ALGORITHM}.",
    )


def parse_header(
    request: SignedRequest, parameters: tuple[Parameter, ...], components: str
) -> HeaderV4:
    """Return the claim of an Authorization header.

    components: the header without the algorithm: "Credential=..., SignedHeaders=..., ...".
    """
    content_sha256 = request.headers.get("x-amz-content-sha256")
    if content_sha256 is None:
        raise SignatureError(
            SignatureErrorCode.InvalidRequest,
            "Missing required header for this request: x-amz-content-sha256",
        )
    date_header = request.headers.get("x-amz-date", request.headers.get("date", ""))
    signed_at = parse_date_header(date_header)
    if signed_at is None:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "AWS authentication requires a valid Date or x-amz-date header",
        )
    credential, signed_headers, signature = _header_components(components)
    return HeaderV4(
        SignatureV4(
            request=request,
            query=canonical_query(parameters),
            credential=_parse_credential(credential, _malformed_header),
            signed_headers=_parse_signed_headers(signed_headers, _malformed_header),
            signature=signature,
            signed_at=signed_at,
            # An HTTP date ends in its zone. Formatting every time would cost as much as an HMAC.
            timestamp=date_header if date_header.endswith("Z") else amz_date(signed_at),
            content_sha256=check_content_sha256(content_sha256),
        ),
        date_header,
    )


def _header_components(components: str) -> tuple[str, str, str]:
    values: dict[str, str] = {}
    for component in components.split(","):
        name, _, value = component.strip(" \t").partition("=")
        if not value or name in values:
            raise _malformed_header(f'the authorization component "{component}" is malformed.')
        values[name] = value
    if values.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise _malformed_header(
            "the authorization header requires three components: Credential, SignedHeaders, and"
            " Signature."
        )
    return values["Credential"], values["SignedHeaders"], values["Signature"]


def parse_query(request: SignedRequest, query: SignedQuery) -> QueryV4:
    """Return the claim of a presigned URL."""
    signature = query.signature
    if not signature:
        raise _incomplete_query()
    is_short = len(request.raw_query) <= MAX_REMEMBERED
    said = (_remembered_presigned if is_short else _read_presigned)(query.parameters)
    content_sha256 = request.headers.get("x-amz-content-sha256")
    if content_sha256 is None:
        content_sha256 = query.hoisted.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
    return QueryV4(
        SignatureV4(
            request=request,
            query=said.query,
            credential=said.credential,
            signed_headers=said.signed_headers,
            signature=signature,
            signed_at=said.signed_at,
            timestamp=said.timestamp,
            content_sha256=check_content_sha256(content_sha256),
        ),
        said.valid_for,
        query.hoisted,
    )


class _Presigned(NamedTuple):
    """What a presigned URL says beside its signature."""

    query: str  # canonical
    credential: CredentialScope
    signed_headers: tuple[str, ...]
    signed_at: datetime
    timestamp: str
    valid_for: timedelta


def _read_presigned(parameters: tuple[Parameter, ...]) -> _Presigned:
    encoded = dict(parameters)
    if not all(map(encoded.get, _QUERY_COMPONENTS)):
        raise _incomplete_query()
    values = {name: decoded(encoded[name]) for name in _QUERY_COMPONENTS}
    if values["X-Amz-Algorithm"] == ECDSA_ALGORITHM:
        raise refuse_ecdsa()
    if values["X-Amz-Algorithm"] != ALGORITHM:
        raise malformed_query(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    signed_at = parse_amz_date(values["X-Amz-Date"])
    if signed_at is None:
        raise malformed_query(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        )
    return _Presigned(
        query=canonical_query(parameters),
        credential=_parse_credential(values["X-Amz-Credential"], _malformed_query_credential),
        signed_headers=_parse_signed_headers(values["X-Amz-SignedHeaders"], malformed_query),
        signed_at=signed_at,
        timestamp=values["X-Amz-Date"],
        valid_for=_parse_expires(values["X-Amz-Expires"]),
    )


_remembered_presigned = lru_cache(maxsize=64)(_read_presigned)


def _incomplete_query() -> SignatureError:
    return malformed_query(
        "Query-string authentication version 4 requires the X-Amz-Algorithm,"
        " X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and"
        " X-Amz-Expires parameters."
    )


# Signers have one habit each, and only what is right is remembered.
@lru_cache(maxsize=64)
def _parse_expires(text: str) -> timedelta:
    if not _seconds(text):
        raise malformed_query("X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds < 1:
        raise malformed_query("X-Amz-Expires must be at least 1 second")
    if seconds > _MAX_EXPIRES_SECONDS:
        raise malformed_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given"
            f" X-Amz-Expires must be less than {_MAX_EXPIRES_SECONDS} seconds"
        )
    return timedelta(seconds=seconds)


# A client sends the same credential and header names again and again.
def _parse_credential(text: str, malformed: _Malformed) -> CredentialScope:
    read = _remembered_credential if len(text) <= MAX_REMEMBERED else _read_credential
    return read(text, malformed)


def _parse_signed_headers(text: str, malformed: _Malformed) -> tuple[str, ...]:
    read = _remembered_signed_headers if len(text) <= MAX_REMEMBERED else _read_signed_headers
    return read(text, malformed)


def _read_credential(text: str, malformed: _Malformed) -> CredentialScope:
    # From the right, because an access key may hold "/".
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not all(parts):
        raise malformed(
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/'
            'aws4_request".'
        )
    if not _eight_digits(parts[1]):
        raise malformed(
            f'incorrect date format "{parts[1]}". This date in the credential must be in the'
            ' format "yyyyMMdd".'
        )
    return CredentialScope(*parts)


def _read_signed_headers(text: str, malformed: _Malformed) -> tuple[str, ...]:
    names = sorted(text.lower().split(";"))
    if len(set(names)) != len(names) or not all(_header_name(name) for name in names):
        raise malformed("the SignedHeaders are mal-formed; expecting names separated by ';'.")
    return tuple(names)


_remembered_credential = lru_cache(maxsize=256)(_read_credential)
_remembered_signed_headers = lru_cache(maxsize=256)(_read_signed_headers)


def verify_header(claim: HeaderV4, secret: str | None, region: str, now: datetime) -> Payload:
    """Return how the body is protected, if the header was made with the secret, for us and now."""
    signed = claim.signed
    _check_scope(signed, region, _malformed_header)
    check_skew(signed.signed_at, claim.date_header, now)
    return _check_signature(signed, secret)


def check_skew(signed_at: datetime, date_header: str, now: datetime) -> None:
    """Raise RequestTimeTooSkewed where the clocks are more than 15 minutes apart."""
    if not -MAX_SKEW <= now - signed_at <= MAX_SKEW:
        raise SignatureError(
            SignatureErrorCode.RequestTimeTooSkewed,
            RequestTime=date_header,
            ServerTime=server_time(now),
            MaxAllowedSkewMilliseconds=str(MAX_SKEW // timedelta(milliseconds=1)),
        )


def verify_query(claim: QueryV4, secret: str | None, region: str, now: datetime) -> Payload:
    """Return how the body is protected, if the URL was made with the secret, for us and now."""
    signed = claim.signed
    _check_scope(signed, region, _malformed_query_credential)
    if signed.signed_at - now > MAX_SKEW:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "Request is not yet valid",
            **{"X-Amz-Date": signed.timestamp},
            ServerTime=server_time(now),
        )
    if now - signed.signed_at > claim.valid_for:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "Request has expired",
            **{"X-Amz-Expires": str(claim.valid_for // timedelta(seconds=1))},
            Expires=server_time(signed.signed_at + claim.valid_for),
            ServerTime=server_time(now),
        )
    return _check_signature(signed, secret)


def _check_scope(signed: SignatureV4, region: str, malformed: _Malformed) -> None:
    scope = signed.credential
    if scope.region != region:
        raise malformed(
            f"the region '{scope.region}' is wrong; expecting '{region}'", Region=region
        )
    if scope.service != "s3":
        raise malformed(f'incorrect service "{scope.service}". This endpoint belongs to "s3".')
    if scope.terminal != "aws4_request":
        raise malformed(
            f'incorrect terminal "{scope.terminal}". This endpoint uses "aws4_request".'
        )
    if scope.date != signed.timestamp[:8]:
        raise malformed("Invalid credential date. Date is not the same as X-Amz-Date.")


def _check_signature(signed: SignatureV4, secret: str | None) -> Payload:
    request, credential = signed.request, signed.credential
    missing = unsigned_headers(request.headers, signed.signed_headers)
    if missing:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(missing),
        )
    canonical_request = "\n".join(
        (
            request.method,
            canonical_uri(request.raw_path),
            signed.query,
            canonical_headers(request.headers, signed.signed_headers),
            ";".join(signed.signed_headers),
            signed.content_sha256,
        )
    )
    scope = str(credential)
    digest = hashlib.sha256(wire_bytes(canonical_request)).hexdigest()
    string_to_sign = f"{ALGORITHM}\n{signed.timestamp}\n{scope}\n{digest}"
    key = signing_key(NO_SECRET if secret is None else secret, credential.date, credential.region)
    matches = same_signature(sign(key, string_to_sign), signed.signature)
    if secret is None:
        raise unknown_access_key(credential.access_key_id)
    if not matches:
        raise SignatureError(
            SignatureErrorCode.SignatureDoesNotMatch,
            AWSAccessKeyId=credential.access_key_id,
            StringToSign=string_to_sign,
            SignatureProvided=signed.signature,
            StringToSignBytes=string_to_sign.encode().hex(" "),
            CanonicalRequest=canonical_request,
            CanonicalRequestBytes=wire_bytes(canonical_request).hex(" "),
        )
    return payload_of(
        signed.content_sha256,
        lambda: ChunkChain(key, signed.timestamp, scope, signed.signature),
    )


def unknown_access_key(access_key_id: str) -> SignatureError:
    """Return the error for a key that this server does not have."""
    return SignatureError(SignatureErrorCode.InvalidAccessKeyId, AWSAccessKeyId=access_key_id)
