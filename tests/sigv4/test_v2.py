"""Version 2: what it covers, its clock and expiry, and the spellings its clients sign."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest
from botocore.auth import HmacV1Auth
from botocore.credentials import Credentials
from botocore.model import ServiceModel
from botocore.session import get_session

from sigv4.request import SignedRequest
from sigv4.v2 import SUB_RESOURCES
from tests.sigv4.clients import (
    NOW,
    SECRET,
    accepted,
    header_v2,
    query_v2,
    refused,
    with_header,
    with_query,
)

Signer = Callable[..., SignedRequest]
BOTH = pytest.mark.parametrize("signer", [header_v2, query_v2], ids=lambda signer: signer.__name__)
SECOND = timedelta(seconds=1)
QUARTER = timedelta(minutes=15)
# Parameters that choose no operation beside what the method and the other parameters choose.
NOT_SIGNED = {"list-type", "x-id"}


@pytest.mark.parametrize("skew", [-QUARTER, QUARTER])
def test_clocks_may_be_a_quarter_of_an_hour_apart(skew: timedelta) -> None:
    accepted(header_v2(at=NOW + skew))


@pytest.mark.parametrize("skew", [-QUARTER - SECOND, QUARTER + SECOND])
def test_clocks_further_apart_are_refused(skew: timedelta) -> None:
    error = refused(header_v2(at=NOW + skew))

    assert error.code == "RequestTimeTooSkewed"
    assert error.detail["RequestTime"] == format_datetime(NOW + skew, usegmt=True)


def test_x_amz_date_replaces_the_date() -> None:
    """s3cmd sends x-amz-date, and signs an empty line in place of the date."""
    request = header_v2()
    headers = {"host": "h", "x-amz-date": "Sat, 14 Mar 2026 15:09:26 +0000"}
    string_to_sign = f"GET\n\n\n\nx-amz-date:{headers['x-amz-date']}\n{request.raw_path}"
    signature = HmacV1Auth(Credentials("a", SECRET)).sign_string(string_to_sign)
    headers["authorization"] = f"AWS a:{signature}"

    accepted(request._replace(headers=headers))
    accepted(request._replace(headers={**headers, "date": "ignored"}))


@pytest.mark.parametrize("date", ["", "today", "Sat, 14 Mar 2026 15:09:26 +0100"])
def test_a_date_that_cannot_be_read_is_refused(date: str) -> None:
    assert refused(with_header(header_v2(), "date", date)).code == "AccessDenied"


@pytest.mark.parametrize("credentials", ["", "a", ":", "a:", ":b", "a:b:c"])
def test_a_malformed_authorization_header_is_refused(credentials: str) -> None:
    error = refused(with_header(header_v2(), "authorization", f"AWS {credentials}"))

    assert error.code == "InvalidArgument"


def test_a_presigned_url_is_valid_until_it_expires() -> None:
    accepted(query_v2(expires=int(NOW.timestamp())))


def test_a_presigned_url_expires() -> None:
    error = refused(query_v2(expires=int(NOW.timestamp()) - 1))

    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.detail == {
        "Expires": "2026-03-14T15:09:25Z",
        "ServerTime": "2026-03-14T15:09:26Z",
    }


@pytest.mark.parametrize(
    "expires",
    ["", "x", "-1", "+2000000000", " 2000000000", "2_000_000_000", "2e9", "2147483648", "\u0662"],
)
def test_a_malformed_expires_is_refused(expires: str) -> None:
    error = refused(query_v2(expires=expires))

    assert error.code == "AccessDenied"
    assert "should be seconds since epoch" in str(error.message)


@pytest.mark.parametrize("name", ["AWSAccessKeyId", "Signature", "Expires"])
def test_a_presigned_url_needs_each_of_its_parameters_once(name: str) -> None:
    request = query_v2()
    parameters = request.raw_query.split("&")
    (own,) = (parameter for parameter in parameters if parameter.startswith(f"{name}="))
    missing = "&".join(parameter for parameter in parameters if parameter != own)

    for query in (missing, f"{request.raw_query}&{own}"):
        assert refused(request._replace(raw_query=query)).code == "AccessDenied"


def test_the_expiry_cannot_be_moved() -> None:
    request = query_v2()
    later = str(int(NOW.timestamp()) + 3601)

    query = request.raw_query.replace(f"Expires={int(later) - 1}", f"Expires={later}")

    assert query != request.raw_query
    assert refused(request._replace(raw_query=query)).code == "SignatureDoesNotMatch"


@BOTH
@pytest.mark.parametrize("name", ["content-type", "content-md5", "x-amz-acl", "x-amz-meta-a"])
def test_a_header_cannot_be_added(signer: Signer, name: str) -> None:
    assert refused(with_header(signer("PUT"), name, "value")).code == "SignatureDoesNotMatch"


@BOTH
@pytest.mark.parametrize("name", ["content-type", "content-md5", "x-amz-acl", "x-amz-meta-a"])
def test_a_signed_header_is_covered(signer: Signer, name: str) -> None:
    request = signer("PUT", headers={name: "first"})
    accepted(request)

    assert refused(with_header(request, name, "second")).code == "SignatureDoesNotMatch"


@BOTH
@pytest.mark.parametrize("sub_resource", sorted(SUB_RESOURCES))
def test_a_sub_resource_cannot_be_added(signer: Signer, sub_resource: str) -> None:
    """Scenario: somebody holds a URL for GetObject and adds "?acl", "?tagging", "?versionId=1".
    Outcome: SignatureDoesNotMatch, for every parameter that chooses what is asked for."""
    for parameter in (sub_resource, f"{sub_resource}=1"):
        error = refused(with_query(signer(), parameter))
        assert error.code == "SignatureDoesNotMatch"


def test_every_parameter_that_chooses_an_operation_is_signed() -> None:
    """A new operation in botocore's model must not be reachable through a URL for another one."""
    model = get_session().get_service_model("s3")

    assert _chosen_by(model) - NOT_SIGNED <= SUB_RESOURCES


def _chosen_by(model: ServiceModel) -> set[str]:
    names = set()
    for name in model.operation_names:
        operation = model.operation_model(name)
        query = operation.http["requestUri"].partition("?")[2]
        names |= {pair.partition("=")[0] for pair in query.split("&") if pair}
        members = operation.input_shape.members if operation.input_shape else {}
        names |= {
            member.serialization["name"]
            for member in members.values()
            if member.serialization.get("name", "").startswith("response-")
        }
    return names


def test_every_parameter_that_botocore_signs_is_signed() -> None:
    assert set(HmacV1Auth.QSAOfInterest) <= SUB_RESOURCES


@BOTH
def test_parameters_that_choose_nothing_are_not_signed(signer: Signer) -> None:
    accepted(with_query(signer(url="http://h/b/?prefix=a"), "x-id=ListObjects&max-keys=3"))


@BOTH
@pytest.mark.parametrize(
    "query",
    [
        "acl",
        "versionId=a%2Bb",
        "uploadId=a%26b&partNumber=1",
        "response-content-disposition=attachment%3B%20filename%3D%22%C3%A9.txt%22",
        "uploads&prefix=x",
    ],
)
def test_signed_parameters_are_signed_decoded_and_sorted(signer: Signer, query: str) -> None:
    accepted(signer(url=f"http://h/b/k?{query}"))


@BOTH
def test_a_virtual_host_is_signed_as_a_path(signer: Signer) -> None:
    request = signer(url="http://b.h/k%20l", bucket="b", auth_path="/b/k%20l")

    accepted(request)
    assert refused(request._replace(bucket="c")).code == "SignatureDoesNotMatch"


@BOTH
def test_a_virtual_host_without_a_key_is_signed_with_a_slash(signer: Signer) -> None:
    accepted(signer(url="http://b.h/?acl", bucket="b", auth_path="/b/"))


@BOTH
def test_a_bucket_in_the_path_may_be_signed_with_a_slash(signer: Signer) -> None:
    """boto3 asks 127.0.0.1 for "/b" and signs "/b/"."""
    accepted(signer(url="http://h/b?acl", auth_path="/b/"))
    accepted(signer(url="http://h/b?acl"))


@BOTH
def test_a_slash_at_the_end_of_a_key_is_signed(signer: Signer) -> None:
    request = signer(url="http://h/b/k", auth_path="/b/k/")

    assert refused(request).code == "SignatureDoesNotMatch"


@BOTH
def test_the_path_is_signed_as_it_was_sent(signer: Signer) -> None:
    request = signer(url="http://h/b/%c3%a9")

    accepted(request)
    assert refused(request._replace(raw_path="/b/%C3%A9")).code == ("SignatureDoesNotMatch")


@pytest.mark.parametrize("signature", ["x", "\u00e9" * 28, "A" * 28, "A" * 27 + "="])
def test_a_wrong_signature_of_any_form_is_refused(signature: str) -> None:
    error = refused(with_header(header_v2(), "authorization", f"AWS a:{signature}"))

    assert error.code == "SignatureDoesNotMatch"
    assert error.detail["StringToSign"].startswith("GET\n\n\nSat, 14 Mar 2026 15:09:26 GMT\n/")
    assert list(error.detail) == [
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
    ]
