"""What a query says about who signed it, wherever its signature stands."""

import pytest

from server.http.addressing import parse_query
from sigv4.errors import SignatureError
from sigv4.presigned import MAX_REMEMBERED, read_query, split_signature

SIGNATURE = "0123456789abcdef" * 4
SIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=KEY%2F20261128%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20261128T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
)
RESTS = [
    SIGNED,
    f"{SIGNED}&x-amz-meta-color=dark%20red&partNumber=1&uploadId=a+b",
    f"{SIGNED}&prefix={'a' * MAX_REMEMBERED}",
    f"{SIGNED}&AWSAccessKeyId=KEY&Signature=abc&Expires=1",
    "AWSAccessKeyId=KEY&Signature=abc&Expires=1",
    "list-type=2",
    "X-Amz-Date=20261128T000000Z",
]


@pytest.mark.parametrize("rest", RESTS)
def test_where_the_signature_stands_makes_no_difference(rest: str) -> None:
    for _ in range(2):  # read, and then remembered
        assert read_query(f"{rest}&X-Amz-Signature={SIGNATURE}") == read_query(
            f"X-Amz-Signature={SIGNATURE}&{rest}"
        )


@pytest.mark.parametrize("rest", RESTS)
def test_the_server_sees_every_parameter_of_a_presigned_url(rest: str) -> None:
    for _ in range(2):
        assert parse_query(f"{rest}&X-Amz-Signature={SIGNATURE}") == {
            **parse_query(rest),
            "X-Amz-Signature": SIGNATURE,
        }


def test_two_urls_that_differ_in_their_signature_alone_are_not_taken_for_one_another() -> None:
    other = SIGNATURE[::-1]

    assert read_query(f"{SIGNED}&X-Amz-Signature={SIGNATURE}").signature == SIGNATURE
    assert read_query(f"{SIGNED}&X-Amz-Signature={other}").signature == other


@pytest.mark.parametrize("name", ["X-Amz-Signature", "x-amz-signature", "X-AMZ-SIGNATURE"])
@pytest.mark.parametrize("value", [SIGNATURE, ""])
def test_a_second_signature_is_refused(name: str, value: str) -> None:
    for query in (
        f"{SIGNED}&{name}={value}&X-Amz-Signature={SIGNATURE}",
        f"X-Amz-Signature={SIGNATURE}&{SIGNED}&{name}={value}",
    ):
        with pytest.raises(SignatureError, match="must not be repeated"):
            read_query(query)


@pytest.mark.parametrize(
    "query",
    [
        SIGNED,
        f"X-Amz-Signature={SIGNATURE}",  # nothing before it
        f"{SIGNED}&X-Amz-Signature={SIGNATURE}&a=b",
        f"{SIGNED}&X-Amz-Signature={SIGNATURE.upper()}",
        f"{SIGNED}&X-Amz-Signature={SIGNATURE}0",
        f"{SIGNED}&X-Amz-Signature={SIGNATURE}%0A",
        f"{SIGNED}&X-Amz-Signature={SIGNATURE}\n",
        "",
    ],
)
def test_what_is_no_plain_signature_at_the_end_stays_in_the_query(query: str) -> None:
    assert split_signature(query) == (query, "")
