"""Presigned URLs of Version 4: their parameters, their life, and the payload they announce."""

from datetime import timedelta

import pytest

from sigv4.payloads import SignedPayload, UnsignedPayload
from tests.sigv4.clients import (
    EMPTY_SHA256,
    NOW,
    accepted,
    edited,
    query_v4,
    refused,
)

SECOND = timedelta(seconds=1)
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize(
    "name",
    [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Expires",
    ],
)
def test_a_presigned_url_needs_each_of_its_parameters_once(name: str) -> None:
    request = query_v4()
    parameters = request.raw_query.split("&")
    (own,) = (parameter for parameter in parameters if parameter.startswith(f"{name}="))

    for changed in (
        [parameter for parameter in parameters if parameter != own],
        [parameter if parameter != own else f"{name}=" for parameter in parameters],
        [parameter if parameter != own else own.lower() for parameter in parameters],
        [*parameters, own],
        [*parameters, own.swapcase()],
    ):
        error = refused(request._replace(raw_query="&".join(changed)))
        assert error.code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("date", ["20260314", "2026-03-14T15:09:26Z", "20260314T150926", "x"])
def test_a_presigned_url_with_a_malformed_date_is_refused(date: str) -> None:
    request = edited(query_v4(), "20260314T150926Z", date)

    assert refused(request).code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("algorithm", ["AWS4-HMAC-SHA1", "aws4-hmac-sha256", "none"])
def test_a_presigned_url_with_another_algorithm_is_refused(algorithm: str) -> None:
    request = edited(query_v4(), "AWS4-HMAC-SHA256", algorithm)

    assert refused(request).code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=1), -QUARTER])
def test_a_presigned_url_is_valid_from_its_date_on(age: timedelta) -> None:
    accepted(query_v4(at=NOW - age, expires=3600))


def test_a_presigned_url_expires() -> None:
    error = refused(query_v4(at=NOW - timedelta(seconds=3601), expires=3600))

    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.detail == {
        "X-Amz-Expires": "3600",
        "Expires": "2026-03-14T15:09:25Z",
        "ServerTime": "2026-03-14T15:09:26Z",
    }


def test_a_presigned_url_is_not_valid_before_its_date() -> None:
    error = refused(query_v4(at=NOW + QUARTER + SECOND))

    assert (error.code, error.message) == ("AccessDenied", "Request is not yet valid")


@pytest.mark.parametrize("expires", [1, 604800])
def test_a_presigned_url_may_live_from_a_second_to_a_week(expires: int) -> None:
    accepted(query_v4(expires=expires))


@pytest.mark.parametrize(
    "expires",
    ["0", "604801", "-1", "%2B1", "1_0", "%201", "1%0A", "1.0", "1e3", "0x1", "%D9%A3", "9" * 5000],
)
def test_a_presigned_url_may_live_no_other_time(expires: str) -> None:
    request = edited(query_v4(), "X-Amz-Expires=3600", f"X-Amz-Expires={expires}")

    assert refused(request).code == "AuthorizationQueryParametersError"


def test_the_payload_hash_of_a_presigned_url_may_stand_in_its_query() -> None:
    """JavaScript's SDK sends X-Amz-Content-Sha256=UNSIGNED-PAYLOAD there."""
    unsigned = query_v4("PUT", "http://h/b/k?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD")

    assert accepted(unsigned).payload == UnsignedPayload()


def test_the_payload_hash_of_a_presigned_url_may_be_a_header() -> None:
    request = query_v4("PUT", headers={"x-amz-content-sha256": EMPTY_SHA256})

    assert accepted(request).payload == SignedPayload(EMPTY_SHA256)
