"""What a SignatureError may carry."""

import pytest

from server.errors import ErrorCode
from sigv4.errors import SignatureError, SignatureErrorCode


@pytest.mark.parametrize("code", SignatureErrorCode)
def test_every_code_is_one_that_the_server_answers(code: SignatureErrorCode) -> None:
    assert code.value in ErrorCode.__members__


def test_a_detail_that_xml_cannot_hold_is_replaced() -> None:
    error = SignatureError(
        SignatureErrorCode.SignatureDoesNotMatch,
        "\x00",
        StringToSign="a\x01b\udcff\ud800c\n\U0001f600",
    )

    assert error.message == "\ufffd"
    assert error.detail == {"StringToSign": "a\ufffdb\ufffd\ufffdc\n\U0001f600"}


def test_the_text_of_an_error_repeats_no_detail() -> None:
    error = SignatureError(SignatureErrorCode.SignatureDoesNotMatch, CanonicalRequest="a header")

    assert "a header" not in f"{error} {error!r}"
