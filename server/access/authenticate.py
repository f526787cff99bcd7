"""Who sends a request: a signature is checked against the secret of the key that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from server.errors import ErrorCode, S3Error
from server.metadata.settings_cache import SettingsCache
from server.model.bucket import AccessKey
from server.model.names import AccessKeyId
from sigv4.authentication import parse_credentials, verify
from sigv4.errors import SignatureError
from sigv4.payloads import Payload
from sigv4.request import SignedRequest


@dataclass(frozen=True, slots=True)
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
        key = await settings.access_key(AccessKeyId(claim.access_key_id))
        secret = key.secret if key is not None and key.active else None
        verified = verify(claim, secret, region=region, now=now)
    except SignatureError as error:
        raise s3_error(error) from error
    assert key is not None, "verify refuses a claim without a secret"
    return Sender(key, verified.payload, verified.hoisted)


def s3_error(error: SignatureError) -> S3Error:
    """Return the S3 error that a SignatureError stands for."""
    return S3Error(ErrorCode[error.code.value], error.message, headers=None, **error.detail)
