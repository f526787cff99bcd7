"""What a signature must be, wherever it stands, and what it covers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.access.attempts import OPERATIONS, PLACES
from tests.fix_s3 import Place, S3Client
from tests.signing import UNSIGNED, Keys

SMALL = b"body"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_operation_takes_every_place_of_the_credentials(
    s3: S3Client, bucket: str, operation: str, place: Place
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    done = await OPERATIONS[operation].send(s3.signing(place), bucket)

    assert done.status in (200, 204), done.body
    await s3.delete(f"/{bucket}-more")


def _wrong_secret(client: S3Client) -> S3Client:
    return client.as_keys(Keys(client.keys.access_key, "guessed"))


def _unknown_key(client: S3Client) -> S3Client:
    return client.as_keys(Keys("AKIANOBODYNOBODYNOBO", client.keys.secret_key))


def _late(client: S3Client) -> S3Client:
    return client.off_by(-timedelta(minutes=16))


def _early(client: S3Client) -> S3Client:
    return client.off_by(timedelta(minutes=16))


FORGERS = pytest.mark.parametrize(
    ("forger", "code"),
    [
        pytest.param(_wrong_secret, "SignatureDoesNotMatch", id="wrong secret"),
        pytest.param(_unknown_key, "InvalidAccessKeyId", id="unknown key"),
    ],
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("operation", OPERATIONS)
@FORGERS
async def test_a_forged_signature_does_nothing_in_any_operation(
    s3: S3Client,
    bucket: str,
    operation: str,
    place: Place,
    forger: Callable[[S3Client], S3Client],
    code: str,
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    refused = await OPERATIONS[operation].send(forger(s3).signing(place), bucket)

    assert refused.refusal == (403, code)
    assert b"as it was" not in refused.body
    assert await s3.keys_of(bucket) == ["key"]
    assert (await s3.head(f"/{bucket}-more")).status == 404


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_unsigned_request_does_nothing(s3: S3Client, bucket: str, operation: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    refused = await OPERATIONS[operation].send(s3.signing("nowhere"), bucket)

    assert refused.refusal == (403, "AccessDenied")
    assert await s3.keys_of(bucket) == ["key"]
    assert (await s3.head(f"/{bucket}-more")).status == 404


@pytest.mark.parametrize("clock", [_late, _early])
@pytest.mark.parametrize(
    ("place", "codes"),
    [
        ("header", {"RequestTimeTooSkewed"}),
        ("query", {"AccessDenied"}),
        ("v2 header", {"RequestTimeTooSkewed"}),
    ],
)
async def test_a_clock_that_is_wrong_is_refused(
    s3: S3Client,
    bucket: str,
    place: Place,
    codes: set[str],
    clock: Callable[[S3Client], S3Client],
) -> None:
    refused = await clock(s3).signing(place).put(f"/{bucket}/key", body=SMALL)

    assert refused.status == 403
    assert refused.error_code in codes
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", ["query", "v2 query"])
async def test_a_presigned_url_that_has_expired_is_refused(
    s3: S3Client, bucket: str, place: Place
) -> None:
    client = s3.off_by(-timedelta(seconds=10)).signing(place, "unsigned")

    refused = await client.request("PUT", f"/{bucket}/key", body=SMALL, expires=5)

    assert refused.refusal == (403, "AccessDenied")
    assert refused.error("Message") == "Request has expired"
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("expires", [0, -1, 604801])
async def test_a_presigned_url_that_is_valid_for_too_long_or_never_is_refused(
    s3: S3Client, bucket: str, expires: int
) -> None:
    refused = await s3.signing("query").request("GET", f"/{bucket}/key", expires=expires)

    assert refused.refusal == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"PUT /", b"DELETE /", id="method"),
        pytest.param(b"/key", b"/yek", id="key"),
        pytest.param(b"x-amz-meta-a: 1", b"x-amz-meta-a: 2", id="metadata"),
    ],
)
async def test_what_was_changed_after_it_was_signed_is_refused(
    s3: S3Client, bucket: str, place: Place, old: bytes, new: bytes
) -> None:
    await s3.put(f"/{bucket}/yek", body=b"as it was")
    message = s3.signing(place, "unsigned").message(
        "PUT", f"/{bucket}/key", body=SMALL, headers={"x-amz-meta-a": "1"}
    )

    refused = await s3.send(message.replace(old, new, 1))

    assert refused.refusal == (403, "SignatureDoesNotMatch")
    assert await s3.keys_of(bucket) == ["yek"]


@pytest.mark.parametrize("place", PLACES)
async def test_a_header_that_was_added_after_it_was_signed_is_refused(
    s3: S3Client, bucket: str, place: Place
) -> None:
    message = s3.signing(place, "unsigned").message("PUT", f"/{bucket}/key", body=SMALL)

    refused = await s3.send(message.replace(b"\r\n", b"\r\nx-amz-storage-class: GLACIER_IR\r\n", 1))

    assert refused.status == 403
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", PLACES)
async def test_a_sub_resource_that_was_added_after_it_was_signed_is_refused(
    s3: S3Client, bucket: str, place: Place
) -> None:
    message = s3.signing(place, "unsigned").message("GET", f"/{bucket}")
    target = message.split(b" ")[1]
    more = target + (b"&" if b"?" in target else b"?") + b"uploads"

    refused = await s3.send(message.replace(target, more, 1))

    assert refused.refusal == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("second", ["query", "v2 query"])
@pytest.mark.parametrize("first", ["header", "v2 header"])
async def test_two_sets_of_credentials_are_refused(
    s3: S3Client, bucket: str, first: Place, second: Place
) -> None:
    """What authenticates must be what was verified."""
    presigned = s3.signing(second, "unsigned").signed("PUT", f"/{bucket}/key")

    refused = await s3.signing(first, "unsigned").put(presigned.target, body=SMALL)

    assert refused.refusal == (400, "InvalidArgument")
    assert await s3.keys_of(bucket) == []


async def test_a_signature_for_another_region_is_refused(s3: S3Client, bucket: str) -> None:
    refused = await replace(s3, region="eu-west-1").put(f"/{bucket}/key", body=SMALL)

    assert refused.refusal == (400, "AuthorizationHeaderMalformed")
    assert refused.error("Region") == "us-east-1"
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        pytest.param("", (400, "InvalidArgument"), id="empty"),
        pytest.param("rubbish", (400, "InvalidArgument"), id="rubbish"),
        pytest.param("Basic dXNlcjpwYXNz", (400, "InvalidArgument"), id="Basic"),
        pytest.param("Bearer token", (400, "InvalidArgument"), id="Bearer"),
        pytest.param("AWS4-HMAC-SHA256 ", (400, "InvalidArgument"), id="nothing behind"),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a", (400, "AuthorizationHeaderMalformed"), id="credential"
        ),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host,Signature=x",
            (400, "AuthorizationHeaderMalformed"),
            id="date",
        ),
        pytest.param("AWS4-ECDSA-P256-SHA256 Credential=a", (501, "NotImplemented"), id="V4A"),
        pytest.param("AWS a", (400, "InvalidArgument"), id="V2 without a signature"),
        pytest.param("AWS a:b:c", (400, "InvalidArgument"), id="V2 with two"),
        pytest.param("AWS \udcff:b", (403, "InvalidAccessKeyId"), id="V2, not UTF-8"),
    ],
)
async def test_an_authorization_header_that_is_none_is_refused(
    s3: S3Client, bucket: str, authorization: str, refusal: tuple[int, str]
) -> None:
    signed = s3.signed("PUT", f"/{bucket}/key", content_sha256=UNSIGNED)
    message = s3.signing("nowhere").message(
        "PUT",
        f"/{bucket}/key",
        headers={**signed.headers, "Authorization": authorization},
        body=SMALL,
    )

    assert (await s3.send(message)).refusal == refusal
    assert await s3.keys_of(bucket) == []
