"""Whether a request was signed with the secret of the key it names.

Two steps, because the secret is looked up between them:

    claim = parse_credentials(request)          # None: anonymous
    secret = ...                                # of claim.access_key_id, None if there is none
    verified = verify(claim, secret, region="us-east-1", now=datetime.now(UTC))

Both raise SignatureError. Nothing of a claim is to be trusted before verify returned.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sigv4 import v2, v4
from sigv4.canonical import Parameter
from sigv4.claims import Claim, HeaderV2, HeaderV4, QueryV2, QueryV4
from sigv4.errors import SignatureError, SignatureErrorCode
from sigv4.payloads import Payload
from sigv4.presigned import read_query
from sigv4.request import SignedRequest
from sigv4.signing import ALGORITHM


class Verified(NamedTuple):
    """A claim that holds.

    payload: how the body is protected. The caller refuses chunked payloads where the operation
             takes none, and publishes nothing before the body kept what the payload promises.
    hoisted: x-amz-* parameters of a presigned URL that stand in for headers, lower-case names.
             A header of the same name wins over them.
    """

    claim: Claim
    payload: Payload
    hoisted: Mapping[str, str]


def presigned_headers(raw_query: str) -> Mapping[str, str]:
    """Return the headers that a presigned URL carries as parameters; none of any other query.

    What Verified.hoisted will say, for who must know before verify() returned what is asked for.
    Raises SignatureError where they cannot be read.
    """
    return read_query(raw_query).hoisted


def parse_credentials(request: SignedRequest, *, allow_v2: bool = True) -> Claim | None:
    """Return who the request says has signed it; None if it does not say so at all.

    Raises SignatureError where it says so in two ways, or in one that cannot be read.
    """
    authorization = request.headers.get("authorization")
    query = read_query(request.raw_query)
    if (authorization is not None) + query.has_v4 + query.has_v2 > 1:
        raise SignatureError(
            SignatureErrorCode.InvalidArgument,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature"
            " query string parameter or the Authorization header should be specified",
            ArgumentName="Authorization",
        )
    claim: Claim
    if authorization is not None:
        claim = _parse_header(request, query.parameters, authorization)
    elif query.has_v4:
        claim = v4.parse_query(request, query)
    elif query.has_v2:
        claim = v2.parse_query(request, query.parameters, query.hoisted)
    else:
        return None
    if "x-amz-security-token" in request.headers or "x-amz-security-token" in query.amz:
        # As S3 answers a token beside a key that has none; keys of this server never have one.
        raise SignatureError(SignatureErrorCode.InvalidToken)
    if not allow_v2 and isinstance(claim, HeaderV2 | QueryV2):
        raise SignatureError(
            SignatureErrorCode.InvalidRequest,
            "The authorization mechanism you have provided is not supported. Please use"
            f" {ALGORITHM}.",
        )
    return claim


def _parse_header(
    request: SignedRequest, parameters: tuple[Parameter, ...], authorization: str
) -> Claim:
    scheme, space, rest = authorization.partition(" ")
    if not space:
        raise SignatureError(
            SignatureErrorCode.InvalidArgument,
            "Authorization header is invalid -- one and only one ' ' (space) required",
            ArgumentName="Authorization",
        )
    if scheme == ALGORITHM:
        return v4.parse_header(request, parameters, rest)
    if scheme == "AWS":
        return v2.parse_header(request, parameters, rest)
    if scheme == v4.ECDSA_ALGORITHM:
        raise v4.refuse_ecdsa()
    raise SignatureError(
        SignatureErrorCode.InvalidArgument,
        "Unsupported Authorization Type",
        ArgumentName="Authorization",
    )


def verify(claim: Claim, secret: str | None, *, region: str, now: datetime) -> Verified:
    """Return the claim as verified: the holder of the secret signed this request, for us and now.

    secret: of the access key that the claim names; None if there is no such key. Then every check
            is made as for any other key, in the same time, and the answer is InvalidAccessKeyId.
    region: ours, the only one a Version 4 signature may be for.
    now:    the time, aware of its zone.

    Raises SignatureError. Order: scope, clock and expiry, headers that are not signed, signature.
    """
    match claim:
        case HeaderV4():
            return Verified(claim, v4.verify_header(claim, secret, region, now), {})
        case QueryV4():
            return Verified(claim, v4.verify_query(claim, secret, region, now), claim.hoisted)
        case HeaderV2():
            return Verified(claim, v2.verify_header(claim, secret, now), {})
        case QueryV2():
            return Verified(claim, v2.verify_query(claim, secret, now), claim.hoisted)
