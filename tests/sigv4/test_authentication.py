"""Who signed: where credentials may stand, what they protect, and keys that do not exist."""

from collections.abc import Callable

import pytest

from sigv4.authentication import parse_credentials
from sigv4.claims import HeaderV2, HeaderV4, QueryV2, QueryV4
from sigv4.errors import SignatureError
from sigv4.payloads import (
    Payload,
    SignedChunks,
    SignedChunksWithTrailer,
    SignedPayload,
    UnsignedChunksWithTrailer,
    UnsignedPayload,
)
from sigv4.request import SignedRequest
from tests.sigv4.clients import (
    ACCESS_KEY,
    EMPTY_SHA256,
    accepted,
    header_v2,
    header_v4,
    query_v2,
    query_v4,
    refused,
    with_header,
    with_query,
)

Signer = Callable[..., SignedRequest]
SIGNERS = [header_v4, query_v4, header_v2, query_v2]
ALL_SIGNERS = pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.__name__)

PAYLOADS: dict[str, type[Payload]] = {
    EMPTY_SHA256: SignedPayload,
    "UNSIGNED-PAYLOAD": UnsignedPayload,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": SignedChunks,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": SignedChunksWithTrailer,
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": UnsignedChunksWithTrailer,
}
ALL_PAYLOADS = pytest.mark.parametrize(("content_sha256", "payload"), list(PAYLOADS.items()))


def _sent_with(signer: Signer, content_sha256: str) -> SignedRequest:
    if signer is header_v4:
        return header_v4("PUT", content_sha256=content_sha256)
    return signer("PUT", headers={"x-amz-content-sha256": content_sha256})


def test_a_request_without_credentials_is_anonymous() -> None:
    assert parse_credentials(SignedRequest("GET", "/", "prefix=a&Expires=1", {"host": "h"})) is None


@pytest.mark.parametrize(
    ("signer", "claim"),
    [(header_v4, HeaderV4), (query_v4, QueryV4), (header_v2, HeaderV2), (query_v2, QueryV2)],
    ids=lambda value: value.__name__,
)
def test_credentials_are_found_wherever_they_are(signer: Signer, claim: type) -> None:
    verified = accepted(signer())

    assert isinstance(verified.claim, claim)
    assert verified.claim.access_key_id == ACCESS_KEY


@pytest.mark.parametrize("signer", [header_v4, query_v4], ids=lambda signer: signer.__name__)
@ALL_PAYLOADS
def test_version_4_protects_every_payload_wherever_the_credentials_are(
    signer: Signer, content_sha256: str, payload: type[Payload]
) -> None:
    verified = accepted(_sent_with(signer, content_sha256))

    assert isinstance(verified.payload, payload)
    if isinstance(verified.payload, SignedPayload):
        assert verified.payload.sha256 == content_sha256


@ALL_SIGNERS
@ALL_PAYLOADS
def test_no_payload_is_let_through_without_its_signature(
    signer: Signer, content_sha256: str, payload: type[Payload]
) -> None:
    """Scenario: any payload mode, any place of credentials, signed with another secret.
    Outcome: SignatureDoesNotMatch, never a mode that skips the check."""
    error = refused(_sent_with(signer, content_sha256), secret="another secret")

    assert error.code == "SignatureDoesNotMatch"


@ALL_SIGNERS
@ALL_PAYLOADS
def test_the_payload_mode_itself_is_signed(
    signer: Signer, content_sha256: str, payload: type[Payload]
) -> None:
    signed = _sent_with(signer, content_sha256)

    for other in PAYLOADS.keys() - {content_sha256}:
        error = refused(with_header(signed, "x-amz-content-sha256", other))
        assert error.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signer", [header_v2, query_v2], ids=lambda signer: signer.__name__)
@ALL_PAYLOADS
def test_version_2_knows_every_payload_but_signed_chunks(
    signer: Signer, content_sha256: str, payload: type[Payload]
) -> None:
    request = _sent_with(signer, content_sha256)

    if payload in (SignedChunks, SignedChunksWithTrailer):
        assert refused(request).code == "InvalidRequest"
    else:
        assert isinstance(accepted(request).payload, payload)


@pytest.mark.parametrize("signer", [query_v4, header_v2, query_v2], ids=lambda s: s.__name__)
def test_a_body_is_unsigned_where_nothing_is_said_of_it(signer: Signer) -> None:
    assert accepted(signer()).payload == UnsignedPayload()


@pytest.mark.parametrize(
    "content_sha256",
    [
        "",
        EMPTY_SHA256.upper(),
        EMPTY_SHA256[:-1],
        EMPTY_SHA256 + "0",
        "g" * 64,
        "\u0663" * 64,
        "unsigned-payload",
        "STREAMING-AWS4-HMAC-SHA256",
        "STREAMING-UNSIGNED-PAYLOAD",
        f"{EMPTY_SHA256},{EMPTY_SHA256}",
    ],
)
@ALL_SIGNERS
def test_a_payload_hash_that_is_none_is_refused(signer: Signer, content_sha256: str) -> None:
    error = refused(_sent_with(signer, content_sha256))

    assert error.code == "InvalidArgument"
    assert error.detail["ArgumentName"] == "x-amz-content-sha256"


@pytest.mark.parametrize(
    "content_sha256",
    [
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
    ],
)
@ALL_SIGNERS
def test_payloads_of_version_4a_are_refused_by_name(signer: Signer, content_sha256: str) -> None:
    error = refused(_sent_with(signer, content_sha256))

    assert error.code == "NotImplemented"
    assert content_sha256 in str(error.message)


def test_version_4a_in_the_header_is_refused_by_name() -> None:
    request = header_v4()
    authorization = request.headers["authorization"].replace("HMAC-SHA256", "ECDSA-P256-SHA256")

    error = refused(with_header(request, "authorization", authorization))

    assert error.code == "NotImplemented"
    assert "AWS4-ECDSA-P256-SHA256" in str(error.message)


def test_version_4a_in_the_query_is_refused_by_name() -> None:
    request = query_v4()
    query = request.raw_query.replace("HMAC-SHA256", "ECDSA-P256-SHA256")

    error = refused(request._replace(raw_query=query))

    assert error.code == "NotImplemented"
    assert "AWS4-ECDSA-P256-SHA256" in str(error.message)


@pytest.mark.parametrize("second", ["Basic eDp5", "Bearer token", "", header_v4, header_v2])
@pytest.mark.parametrize("signer", [query_v4, query_v2], ids=lambda signer: signer.__name__)
def test_a_presigned_url_with_an_authorization_header_is_refused(
    signer: Signer, second: str | Signer
) -> None:
    header = second if isinstance(second, str) else second().headers["authorization"]

    error = refused(with_header(signer(), "authorization", header))

    assert error.code == "InvalidArgument"
    assert str(error.message).startswith("Only one auth mechanism allowed")


@pytest.mark.parametrize(
    "parameter",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=a",
        "X-Amz-Signature=a",
        "x-amz-signature=a",
        "X%2DAmz%2DSignature=a",
        "AWSAccessKeyId=a",
        "Signature=a",
        "Signature",
        "%53ignature=a",
    ],
)
@pytest.mark.parametrize("signer", [header_v4, header_v2], ids=lambda signer: signer.__name__)
def test_a_signed_header_with_credentials_in_the_query_is_refused(
    signer: Signer, parameter: str
) -> None:
    error = refused(with_query(signer(), parameter))

    assert error.code == "InvalidArgument"


def test_a_url_presigned_with_both_versions_is_refused() -> None:
    assert refused(with_query(query_v4(), query_v2().raw_query)).code == "InvalidArgument"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "AWS4-HMAC-SHA256",
        "AWS",
        "Basic dXNlcjpwYXNz",
        "Bearer abc",
        "aws4-hmac-sha256 Credential=a",
        "AWS4-HMAC-SHA512 Credential=a",
        "AWS3 a:b",
        "\u212aWS a:b",
    ],
)
def test_an_authorization_that_is_none_of_ours_is_refused(authorization: str) -> None:
    assert refused(with_header(header_v4(), "authorization", authorization)).code == (
        "InvalidArgument"
    )


@ALL_SIGNERS
def test_an_unknown_access_key_is_refused_as_such(signer: Signer) -> None:
    error = refused(signer(access_key="AKIAUNKNOWN"), secret=None)

    assert error.code == "InvalidAccessKeyId"
    assert error.detail == {"AWSAccessKeyId": "AKIAUNKNOWN"}


@ALL_SIGNERS
def test_an_unknown_access_key_passes_no_check_that_a_known_one_fails(signer: Signer) -> None:
    """Scenario: an unsigned header; the key exists, or not.
    Outcome: the same answer, so that it does not tell whether the key exists."""
    request = with_header(signer(), "x-amz-acl", "public-read")

    known, unknown = (refused(request, secret=secret) for secret in ("a secret", None))

    if signer in (header_v4, query_v4):
        assert (unknown.code, unknown.detail) == (known.code, known.detail)
    else:
        assert (known.code, unknown.code) == ("SignatureDoesNotMatch", "InvalidAccessKeyId")


@ALL_SIGNERS
def test_an_empty_secret_is_not_that_of_an_unknown_key(signer: Signer) -> None:
    assert refused(signer(), secret="").code == "SignatureDoesNotMatch"


@ALL_SIGNERS
def test_a_session_token_is_refused(signer: Signer) -> None:
    """S3 answers InvalidToken to a token that comes with a key that has none."""
    request = signer(headers={"x-amz-security-token": "token"})

    assert refused(request).code == "InvalidToken"


@pytest.mark.parametrize("name", ["X-Amz-Security-Token", "x-amz-security-token"])
@ALL_SIGNERS
def test_a_session_token_in_the_query_is_refused(signer: Signer, name: str) -> None:
    assert refused(with_query(signer(), f"{name}=token")).code == "InvalidToken"


@ALL_SIGNERS
def test_version_2_can_be_turned_off(signer: Signer) -> None:
    request = signer()

    if signer in (header_v4, query_v4):
        assert parse_credentials(request, allow_v2=False) is not None
    else:
        with pytest.raises(SignatureError) as refusal:
            parse_credentials(request, allow_v2=False)
        assert refusal.value.code == "InvalidRequest"


@ALL_SIGNERS
def test_a_repeated_amz_parameter_is_refused(signer: Signer) -> None:
    request = with_query(signer(), "x-amz-acl=private&X-Amz-Acl=public-read")

    assert refused(request).code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("signer", [query_v4, query_v2], ids=lambda signer: signer.__name__)
def test_parameters_of_a_presigned_url_stand_in_for_headers(signer: Signer) -> None:
    """JavaScript's SDK presigns x-amz-* headers into the query; so does botocore with Version 2."""
    url = "http://h/b/k?x-amz-acl=public-read&x-amz-meta-Name=a%20%C3%A9&partNumber=1"
    if signer is query_v2:
        # botocore hoists by itself what it is given as headers.
        hoisted = {"x-amz-acl": "public-read", "x-amz-meta-Name": "a"}
        request = query_v2("PUT", "http://h/b/k?partNumber=1", hoisted)
        request = request._replace(headers={"host": "h"})
    else:
        request = query_v4("PUT", url)

    verified = accepted(request)

    assert verified.hoisted == {
        "x-amz-acl": "public-read",
        "x-amz-meta-name": "a" if signer is query_v2 else "a \u00e9",
    }


@pytest.mark.parametrize("signer", [query_v4, query_v2], ids=lambda signer: signer.__name__)
@pytest.mark.parametrize("control", ["%0A", "%0d", "%00", "%7F"])
def test_a_parameter_cannot_stand_in_for_a_header_that_cannot_be(
    signer: Signer, control: str
) -> None:
    """Version 2 signs a line a header. A value of two lines looks like two headers, so the holder
    of a URL could make one header of two that were signed."""
    request = with_query(signer("PUT"), f"x-amz-request-payer=a{control}x-amz-tagging:b")

    assert refused(request).code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("signer", [query_v4, query_v2], ids=lambda signer: signer.__name__)
def test_a_parameter_that_stands_in_for_a_header_cannot_be_added(signer: Signer) -> None:
    error = refused(with_query(signer("PUT"), "x-amz-acl=public-read"))

    assert error.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signer", [header_v4, header_v2], ids=lambda signer: signer.__name__)
def test_parameters_stand_in_for_no_header_beside_a_signed_header(signer: Signer) -> None:
    assert accepted(signer("PUT", "http://h/b/k?x-amz-acl=public-read")).hoisted == {}
