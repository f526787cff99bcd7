"""Who sends a request: a signature is checked against the secret of the key that it names."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from server.errors import ErrorCode, S3Error
from server.metadata.settings_cache import SettingsCache
from server.model.bucket import AccessKey
from server.model.names import AccessKeyId
from server.model.value import value
from sigv4.authentication import parse_credentials, presigned_headers, verify
from sigv4.errors import SignatureError
from sigv4.payloads import Payload
from sigv4.request import SignedRequest

# Any other name is that of no key. PostgreSQL could not even be asked for some of them, and long
# ones would fill the memory as names that are remembered to have no key.
_POSSIBLE_KEY: Final = re.compile(r"[!-~]{1,128}")


@value()
class Sender:
    """The holder of a key whose signature was right."""

    key: AccessKey
    payload: Payload  # how the body is protected; nothing is stored before it holds
    hoisted: Mapping[str, str]  # headers that a presigned URL carries as parameters


async def authenticate(
    request: SignedRequest,
    settings: SettingsCache,
    *,
    region: str,
    now: datetime,
    allow_v2: bool,
) -> Sender:
    """Return who sent the request.

    Raises S3Error: AccessDenied where the request is not signed at all, and S3's own code for all
    that can be wrong with a signature. An unknown or inactive key takes as long as a known one.
    """
    try:
        claim = parse_credentials(request, allow_v2=allow_v2)
        if claim is None:
            raise S3Error(ErrorCode.AccessDenied)
        key = None
        if _POSSIBLE_KEY.fullmatch(claim.access_key_id):
            key = await settings.access_key(AccessKeyId(claim.access_key_id))
        secret = key.secret if key is not None and key.active else None
        verified = verify(claim, secret, region=region, now=now)
    except SignatureError as error:
        raise s3_error(error) from error
    assert key is not None, "verify refuses a claim without a secret"
    return Sender(key, verified.payload, verified.hoisted)


def all_headers(raw_query: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers of a request, those that a presigned URL carries as parameters included.

    They choose the operation, so they are read before authenticate() has found them to be signed.
    Raises S3Error where they cannot be read.
    """
    if not raw_query:
        return headers
    try:
        hoisted = presigned_headers(raw_query)
    except SignatureError as error:
        raise s3_error(error) from error
    return {**hoisted, **headers} if hoisted else headers


def s3_error(error: SignatureError) -> S3Error:
    """Return the S3 error that a SignatureError stands for."""
    return S3Error(ErrorCode[error.code.value], error.message, headers=None, **error.detail)
