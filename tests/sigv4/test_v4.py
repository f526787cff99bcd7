"""Version 4: scope, clock, signed headers and signature, in the header and in the query."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest

from sigv4.request import SignedRequest
from tests.sigv4.clients import (
    ACCESS_KEY,
    EMPTY_SHA256,
    NOW,
    accepted,
    edited,
    header_v4,
    query_v4,
    refused,
    with_header,
    without_header,
)

Signer = Callable[..., SignedRequest]
BOTH = pytest.mark.parametrize("signer", [header_v4, query_v4], ids=lambda signer: signer.__name__)
SECOND = timedelta(seconds=1)
QUARTER = timedelta(minutes=15)


def _malformed(signer: Signer) -> str:
    if signer is header_v4:
        return "AuthorizationHeaderMalformed"
    return "AuthorizationQueryParametersError"


@BOTH
@pytest.mark.parametrize("access_key", ["a", "team/app/key", "a=b", "a:b;c", "a" * 128])
def test_an_access_key_may_hold_what_separates_a_credential(
    signer: Signer, access_key: str
) -> None:
    assert accepted(signer(access_key=access_key)).claim.access_key_id == access_key


@BOTH
def test_another_region_is_refused_and_ours_is_named(signer: Signer) -> None:
    error = refused(signer(region="eu-west-1"))

    assert error.code == _malformed(signer)
    assert "the region 'eu-west-1' is wrong; expecting 'us-east-1'" in str(error.message)
    assert error.detail == {"Region": "us-east-1"}


@BOTH
def test_another_service_is_refused(signer: Signer) -> None:
    assert refused(signer(service="s3express")).code == _malformed(signer)


@BOTH
@pytest.mark.parametrize("terminal", ["aws4_Request", "aws4_requests", "aws5_request"])
def test_another_terminal_is_refused(signer: Signer, terminal: str) -> None:
    request = edited(signer(), "/s3/aws4_request", f"/s3/{terminal}")

    assert refused(request).code == _malformed(signer)


@BOTH
@pytest.mark.parametrize("date", ["20260313", "20260315", "2026314", "2026031", "202603140", "x"])
def test_a_scope_of_another_day_is_refused(signer: Signer, date: str) -> None:
    assert refused(edited(signer(), "/20260314/", f"/{date}/")).code == _malformed(signer)


@BOTH
@pytest.mark.parametrize(
    "credential", [ACCESS_KEY, "/20260314/us-east-1/s3/aws4_request", "us-east-1/s3/aws4_request"]
)
def test_a_credential_without_all_its_parts_is_refused(signer: Signer, credential: str) -> None:
    request = edited(signer(), f"{ACCESS_KEY}/20260314/us-east-1/s3/aws4_request", credential)

    assert refused(request).code == _malformed(signer)


@pytest.mark.parametrize(
    "components",
    [
        "",
        "Credential=a",
        "Credential=a/20260314/us-east-1/s3/aws4_request, SignedHeaders=host",
        "Credential=a/20260314/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=",
        "Credential=a/20260314/us-east-1/s3/aws4_request, SignedHeaders=host, Signature",
        "Credential=a/20260314/us-east-1/s3/aws4_request, SignedHeaders=host, signature=b",
        "Credential=a/20260314/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b, More=c",
        "Credential=a/20260314/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b,",
        "Credential=a/20260314/us-east-1/s3/aws4_request, Credential=b, SignedHeaders=host,"
        " Signature=b",
    ],
)
def test_an_authorization_header_without_its_three_components_is_refused(components: str) -> None:
    request = with_header(header_v4(), "authorization", f"AWS4-HMAC-SHA256 {components}")

    assert refused(request).code == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize("name", ["Credential", "SignedHeaders", "Signature"])
def test_a_component_that_comes_twice_is_refused(name: str) -> None:
    request = header_v4()

    doubled = edited(request, f"{name}=", f"{name}=first, {name}=")

    assert refused(doubled).code == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize("separator", [",", ", ", " , ", ",\t"])
def test_components_may_be_separated_by_any_blanks(separator: str) -> None:
    """s3cmd and minio-go write "," alone."""
    request = header_v4()
    authorization = request.headers["authorization"].replace(", ", separator)

    accepted(with_header(request, "authorization", authorization))


@pytest.mark.parametrize("skew", [-QUARTER, -SECOND, SECOND, QUARTER])
def test_clocks_may_be_a_quarter_of_an_hour_apart(skew: timedelta) -> None:
    accepted(header_v4(at=NOW + skew))


@pytest.mark.parametrize("skew", [-QUARTER - SECOND, QUARTER + SECOND, timedelta(days=1)])
def test_clocks_further_apart_are_refused(skew: timedelta) -> None:
    error = refused(header_v4(at=NOW + skew))

    assert error.code == "RequestTimeTooSkewed"
    assert error.detail == {
        "RequestTime": f"{NOW + skew:%Y%m%dT%H%M%SZ}",
        "ServerTime": "2026-03-14T15:09:26Z",
        "MaxAllowedSkewMilliseconds": "900000",
    }


@pytest.mark.parametrize("date", ["", "yesterday", "20260314T150926", "2026-03-14T15:09:26Z"])
def test_a_date_that_cannot_be_read_is_refused_even_beside_one_that_can(date: str) -> None:
    request = with_header(header_v4(), "x-amz-date", date)

    error = refused(with_header(request, "date", format_datetime(NOW, usegmt=True)))

    assert error.code == "AccessDenied"


def test_a_request_without_a_date_is_refused() -> None:
    error = refused(without_header(header_v4(), "x-amz-date"))

    assert error.code == "AccessDenied"


def test_a_date_header_may_stand_in_for_x_amz_date() -> None:
    """botocore signs Date in place of x-amz-date where the caller has set one."""
    request = header_v4(headers={"Date": "any"})
    assert "x-amz-date" not in request.headers

    accepted(request)


def test_a_missing_payload_hash_is_refused() -> None:
    error = refused(without_header(header_v4(), "x-amz-content-sha256"))

    assert error.code == "InvalidRequest"
    assert error.message == "Missing required header for this request: x-amz-content-sha256"


@BOTH
@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-meta-a", "x-amz-copy-source", "content-md5"])
def test_a_header_that_was_not_signed_is_refused(signer: Signer, name: str) -> None:
    error = refused(with_header(signer("PUT"), name, "value"))

    assert error.code == "AccessDenied"
    assert error.message == "There were headers present in the request which were not signed"
    assert error.detail == {"HeadersNotSigned": name}


@BOTH
@pytest.mark.parametrize("name", ["content-type", "range", "user-agent", "x-amzn-trace-id"])
def test_other_headers_may_be_sent_unsigned(signer: Signer, name: str) -> None:
    accepted(with_header(signer("PUT"), name, "value"))


@BOTH
def test_a_signature_without_host_is_refused(signer: Signer) -> None:
    request = edited(signer(), "SignedHeaders=host", "SignedHeaders=range")

    error = refused(request)

    assert error.detail["HeadersNotSigned"] == "host"


@BOTH
@pytest.mark.parametrize("names", ["host;host", "Host;host", "host;", ";host", "host;;a", "host a"])
def test_signed_headers_that_are_no_list_of_names_are_refused(signer: Signer, names: str) -> None:
    encoded = names.replace(";", "%3B").replace(" ", "%20") if signer is query_v4 else names
    request = signer()
    if signer is header_v4:
        request = edited(request, "SignedHeaders=host;", f"SignedHeaders={encoded};")
    else:
        request = edited(request, "SignedHeaders=host", f"SignedHeaders={encoded}")

    assert refused(request).code == _malformed(signer)


@BOTH
@pytest.mark.parametrize("name", ["content-type", "x-amz-acl", "range"])
def test_a_signed_header_cannot_be_taken_away_or_changed(signer: Signer, name: str) -> None:
    request = signer("PUT", headers={name: "first"})
    accepted(request)

    assert refused(without_header(request, name)).code == "SignatureDoesNotMatch"
    assert refused(with_header(request, name, "second")).code == "SignatureDoesNotMatch"


@BOTH
@pytest.mark.parametrize(
    "signature",
    ["0" * 64, "F" * 64, "0" * 63, "0" * 65, "0", "\u00e9" * 64, "\u0660" * 64, "\udcff" * 64],
)
def test_a_wrong_signature_of_any_form_is_refused(signer: Signer, signature: str) -> None:
    request = signer()
    if signer is header_v4:
        start = request.headers["authorization"].rpartition("=")[0]
        request = with_header(request, "authorization", f"{start}={signature}")
    else:
        start = request.raw_query.rpartition("=")[0]
        request = request._replace(raw_query=f"{start}={signature}")

    assert refused(request).code == "SignatureDoesNotMatch"


def test_an_upper_case_signature_is_refused() -> None:
    request = header_v4()
    start, _, signature = request.headers["authorization"].rpartition("=")

    error = refused(with_header(request, "authorization", f"{start}={signature.upper()}"))

    assert error.code == "SignatureDoesNotMatch"


def test_a_mismatch_says_what_was_to_be_signed() -> None:
    error = refused(header_v4(headers={"x-amz-meta-a": "\u00e9"}), secret="another secret")

    assert list(error.detail) == [
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
        "CanonicalRequest",
        "CanonicalRequestBytes",
    ]
    assert error.detail["AWSAccessKeyId"] == ACCESS_KEY
    assert bytes.fromhex(error.detail["StringToSignBytes"]) == error.detail["StringToSign"].encode()
    assert (
        bytes.fromhex(error.detail["CanonicalRequestBytes"]).decode()
        == (error.detail["CanonicalRequest"])
    )


def test_a_path_may_be_escaped_in_another_way_than_it_was_signed() -> None:
    request = header_v4(url="http://h/b/%C3%A9%20~")

    accepted(request._replace(raw_path="/b/%c3%A9%20%7E"))


def test_a_space_in_the_query_may_come_as_a_plus() -> None:
    """object_store (delta-rs, polars) signs "%20" and sends "+"."""
    request = header_v4(url="http://h/b?prefix=a%20b")

    accepted(request._replace(raw_query="prefix=a+b"))


def test_a_plus_in_the_query_cannot_come_as_a_space() -> None:
    request = header_v4(url="http://h/b?prefix=a%2Bb")

    assert refused(request._replace(raw_query="prefix=a+b")).code == ("SignatureDoesNotMatch")


def test_signed_headers_may_be_listed_in_any_order_and_case() -> None:
    request = header_v4()

    accepted(edited(request, "host;x-amz-content-sha256", "X-Amz-Content-Sha256;host"))


def test_bytes_of_a_header_that_are_not_utf_8_are_signed_as_they_are() -> None:
    """The header reached us with surrogate escapes, the client signed its bytes."""
    request = header_v4(headers={"x-amz-meta-a": "\u00e9"})
    escaped = "\u00e9".encode().decode("ascii", "surrogateescape")

    accepted(with_header(request, "x-amz-meta-a", escaped))


def test_the_payload_hash_in_the_query_is_one_line_of_what_was_signed() -> None:
    request = query_v4("PUT", f"http://h/b/k?X-Amz-Content-Sha256={EMPTY_SHA256}")

    # botocore signed UNSIGNED-PAYLOAD as the last line: the two do not fit.
    assert refused(request).code == "SignatureDoesNotMatch"
