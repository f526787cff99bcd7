import pytest

from server.errors import ErrorCode, S3Error
from server.rules.entity_sizes import check_copy_size, check_object_size, check_put_size

GIB = 1024**3


def test_a_body_of_5_gib_and_an_object_of_5_tib_are_allowed() -> None:
    check_put_size(5 * GIB)
    check_copy_size(5 * GIB)
    check_object_size(5 * 1024 * GIB)


def test_check_put_size_refuses_one_byte_more() -> None:
    with pytest.raises(S3Error) as caught:
        check_put_size(5 * GIB + 1)

    assert caught.value.code is ErrorCode.EntityTooLarge
    assert caught.value.detail == {
        "ProposedSize": "5368709121",
        "MaxSizeAllowed": "5368709120",
    }


def test_check_object_size_refuses_one_byte_more() -> None:
    with pytest.raises(S3Error) as caught:
        check_object_size(5 * 1024 * GIB + 1)

    assert caught.value.code is ErrorCode.EntityTooLarge


def test_check_copy_size_refuses_one_byte_more_in_s3s_words() -> None:
    with pytest.raises(S3Error) as caught:
        check_copy_size(5 * GIB + 1)

    assert caught.value.code is ErrorCode.InvalidRequest
    assert caught.value.message.endswith("allowable size for a copy source: 5368709120")
