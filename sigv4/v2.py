"""Signature Version 2, in the Authorization header and in the query.

Old, yet boto3 presigns with it unless told otherwise, and so does `s3cmd signurl`.
Source: S3 user guide, "Signing and authenticating REST requests (AWS Signature Version 2)".
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from sigv4.canonical import Parameter, decoded, wire_bytes
from sigv4.claims import HeaderV2, QueryV2
from sigv4.errors import SignatureError, SignatureErrorCode
from sigv4.payloads import UNSIGNED_PAYLOAD, Payload, check_content_sha256, payload_of
from sigv4.request import SignedRequest
from sigv4.signing import NO_SECRET, same_signature
from sigv4.timestamps import parse_date_header, server_time
from sigv4.v4 import check_skew, unknown_access_key

# The parameters that Version 2 signs: all that choose an operation, a version, a part or an upload,
# and the response overrides. One that is missing here could be added to a URL that somebody was
# given, and turn its GetObject into another operation. botocore and s3cmd sign fewer; what they
# leave out cannot be asked for with their Version 2.
SUB_RESOURCES = frozenset(
    {
        "abac",
        "accelerate",
        "acl",
        "analytics",
        "annotation",
        "annotationName",
        "attributes",
        "cors",
        "defaultObjectAcl",
        "delete",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metadataAnnotationTable",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "partNumber",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "retention",
        "select",
        "select-type",
        "session",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    }
)

# S3 reads Expires as a signed 32-bit number.
_MAX_EXPIRES = 2**31 - 1
_epoch_seconds = re.compile(r"[0-9]{1,10}").fullmatch


def parse_header(
    request: SignedRequest, parameters: tuple[Parameter, ...], credentials: str
) -> HeaderV2:
    """Return the claim of an Authorization header.

    credentials: the header without "AWS ": "access-key-id:signature".
    """
    access_key_id, _, signature = credentials.partition(":")
    if not access_key_id or not signature or ":" in signature:
        raise SignatureError(
            SignatureErrorCode.InvalidArgument,
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            ArgumentName="Authorization",
        )
    date = request.headers.get("date", "")
    date_header = request.headers.get("x-amz-date", date)
    signed_at = parse_date_header(date_header)
    if signed_at is None:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "AWS authentication requires a valid Date or x-amz-date header",
        )
    return HeaderV2(
        request=request,
        parameters=parameters,
        access_key_id=access_key_id,
        signature=signature,
        date_line="" if "x-amz-date" in request.headers else date,
        date_header=date_header,
        signed_at=signed_at,
    )


def parse_query(
    request: SignedRequest, parameters: tuple[Parameter, ...], hoisted: Mapping[str, str]
) -> QueryV2:
    """Return the claim of a presigned URL."""
    names = [name for name, _ in parameters]
    if any(names.count(name) != 1 for name in ("AWSAccessKeyId", "Expires", "Signature")):
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId"
            " parameters",
        )
    values = dict(parameters)
    expires = decoded(values["Expires"])
    if not _epoch_seconds(expires) or int(expires) > _MAX_EXPIRES:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            f"Invalid date (should be seconds since epoch): {expires}",
        )
    return QueryV2(
        request=request,
        parameters=parameters,
        access_key_id=decoded(values["AWSAccessKeyId"]),
        signature=decoded(values["Signature"]),
        expires=expires,
        hoisted=hoisted,
    )


def verify_header(claim: HeaderV2, secret: str | None, now: datetime) -> Payload:
    """Return how the body is protected, if the header was made with the secret, and now."""
    check_skew(claim.signed_at, claim.date_header, now)
    return _check_signature(claim, secret, claim.date_line, hoisted={})


def verify_query(claim: QueryV2, secret: str | None, now: datetime) -> Payload:
    """Return how the body is protected, if the URL was made with the secret and is still valid."""
    expires = datetime.fromtimestamp(int(claim.expires), UTC)
    if now > expires:
        raise SignatureError(
            SignatureErrorCode.AccessDenied,
            "Request has expired",
            Expires=server_time(expires),
            ServerTime=server_time(now),
        )
    return _check_signature(claim, secret, claim.expires, claim.hoisted)


def _check_signature(
    claim: HeaderV2 | QueryV2, secret: str | None, date_line: str, hoisted: Mapping[str, str]
) -> Payload:
    request = claim.request
    headers = {**hoisted, **request.headers}
    head = "\n".join(
        (
            request.method,
            headers.get("content-md5", ""),
            headers.get("content-type", ""),
            date_line,
            *(f"{name}:{headers[name]}" for name in sorted(headers) if name[:6] == "x-amz-"),
        )
    )
    key = (NO_SECRET if secret is None else secret).encode()
    candidates = [
        f"{head}\n{path}{_signed_parameters(claim.parameters)}" for path in _signed_paths(request)
    ]
    # A list, not a generator: the time must not tell which one matched.
    matches = [same_signature(_sign(key, text), claim.signature) for text in candidates]
    if secret is None:
        raise unknown_access_key(claim.access_key_id)
    if not any(matches):
        raise SignatureError(
            SignatureErrorCode.SignatureDoesNotMatch,
            AWSAccessKeyId=claim.access_key_id,
            StringToSign=candidates[0],
            SignatureProvided=claim.signature,
            StringToSignBytes=wire_bytes(candidates[0]).hex(" "),
        )
    content_sha256 = headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
    return payload_of(check_content_sha256(content_sha256), chain=None)


def _sign(key: bytes, string_to_sign: str) -> str:
    return base64.b64encode(hmac.digest(key, wire_bytes(string_to_sign), "sha1")).decode()


def _signed_paths(request: SignedRequest) -> Iterator[str]:
    """Yield the paths under which a client may have signed this resource, as encoded as sent."""
    path = request.raw_path if request.bucket is None else f"/{request.bucket}{request.raw_path}"
    yield path
    # botocore asks for "/bucket" and signs "/bucket/": on AWS it never addresses by path.
    if request.bucket is None and path.count("/") == 1 and path != "/":
        yield f"{path}/"


def _signed_parameters(parameters: Iterable[Parameter]) -> str:
    signed = sorted((p for p in parameters if p[0] in SUB_RESOURCES), key=lambda p: p[0])
    if not signed:
        return ""
    # Values are signed decoded, and a name without one stands alone.
    return "?" + "&".join(f"{name}={decoded(value)}" if value else name for name, value in signed)
