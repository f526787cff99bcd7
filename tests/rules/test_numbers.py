import pytest

from server.errors import ErrorCode, S3Error
from server.rules.numbers import parse_digits, parse_integer


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("-0", 0, id="minus zero"),
        pytest.param("007", 7, id="leading zeros"),
        pytest.param("2147483647", 2147483647, id="largest 32-bit integer"),
    ],
)
def test_parse_integer_reads(text: str, number: int) -> None:
    assert parse_integer(text, "max-keys") == number


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("abc", id="word"),
        pytest.param("1_0", id="underscore"),
        pytest.param(" 7", id="space"),
        pytest.param("+7", id="plus"),
        pytest.param("٣", id="arabic digit"),
        pytest.param("7\n", id="newline"),
        pytest.param("2147483648", id="beyond 32 bits"),
        pytest.param("-2147483649", id="below 32 bits"),
        pytest.param("9" * 5000, id="more digits than int takes"),
    ],
)
def test_parse_integer_refuses_what_is_no_32_bit_integer(text: str) -> None:
    """S3 answered max-keys=abc and max-keys=2147483648 so in September 2026."""
    with pytest.raises(S3Error) as caught:
        parse_integer(text, "max-keys")

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.message == "Provided max-keys not an integer or within integer range"
    assert caught.value.detail == {"ArgumentName": "max-keys", "ArgumentValue": text}


def test_parse_integer_names_the_argument_differently_out_of_range() -> None:
    """S3 answered max-keys=-01 so in September 2026."""
    with pytest.raises(S3Error) as caught:
        parse_integer("-01", "max-keys", name_in_range_error="maxKeys")

    assert caught.value.message == "Argument maxKeys must be an integer between 0 and 2147483647"
    assert caught.value.detail == {"ArgumentName": "maxKeys", "ArgumentValue": "-1"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("9223372036854775807", 2**63 - 1, id="largest 64-bit integer"),
        pytest.param("9223372036854775808", None, id="beyond the maximum"),
        pytest.param("-1", None, id="negative"),
        pytest.param("0x10", None, id="hexadecimal"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_parse_digits_takes_digits_up_to_the_maximum(text: str, number: int | None) -> None:
    assert parse_digits(text, 2**63 - 1) == number
