import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ErrorCode, S3Error
from server.rules.ranges import (
    check_range_or_part,
    no_such_part,
    parse_copy_range,
    parse_range,
)

COPY_RANGE_FORM = (
    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last"
    " are the zero-based offsets of the first and last bytes to copy"
)


@pytest.mark.parametrize(
    ("header", "first_and_last"),
    [
        pytest.param("bytes=0-0", (0, 0), id="first byte"),
        pytest.param("bytes=0-499", (0, 499), id="first 500"),
        pytest.param("bytes=500-", (500, 999), id="from 500"),
        pytest.param("bytes=999-", (999, 999), id="last byte"),
        pytest.param("bytes=500-5000", (500, 999), id="beyond the end"),
        pytest.param("bytes=0-18446744073709551615", (0, 999), id="largest 64-bit number"),
        pytest.param("bytes=-200", (800, 999), id="suffix"),
        pytest.param("bytes=-5000", (0, 999), id="suffix longer than the object"),
        pytest.param("Bytes=0-9", (0, 9), id="unit in another case"),
        pytest.param("bytes=9-3", None, id="last before first"),
        pytest.param("bytes=2000-3", None, id="last before first beyond the end"),
        pytest.param("bytes=-", None, id="no number"),
        pytest.param("bytes=0-1,3-4", None, id="two ranges"),
        pytest.param("bytes=0-9 ", None, id="space"),
        pytest.param("bytes=+1-9", None, id="plus"),
        pytest.param("bytes=1_0-20", None, id="underscore"),
        pytest.param("bytes=٣-9", None, id="arabic digit"),
        pytest.param("bytes=0-9\n", None, id="newline"),
        pytest.param("items=0-9", None, id="another unit"),
        pytest.param("0-9", None, id="no unit"),
        pytest.param(f"bytes=0-{'9' * 5000}", None, id="more digits than int takes"),
        pytest.param("", None, id="empty"),
    ],
)
def test_parse_range_selects(header: str, first_and_last: tuple[int, int] | None) -> None:
    assert parse_range(header, size=1000) == first_and_last


@pytest.mark.parametrize(
    ("header", "size"),
    [
        pytest.param("bytes=1000-", 1000, id="begins at the end"),
        pytest.param("bytes=2000-3000", 1000, id="begins beyond the end"),
        pytest.param("bytes=-0", 1000, id="the last 0"),
        pytest.param("bytes=0-", 0, id="empty object"),
        pytest.param("bytes=-5", 0, id="suffix of an empty object"),
    ],
)
def test_parse_range_refuses_a_range_that_selects_no_byte(header: str, size: int) -> None:
    with pytest.raises(S3Error) as caught:
        parse_range(header, size)

    assert caught.value.code is ErrorCode.InvalidRange
    assert caught.value.detail == {"ActualObjectSize": str(size), "RangeRequested": header}
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


@given(first=st.integers(0, 1200), length=st.integers(1, 1200), size=st.integers(1, 1000))
def test_parse_range_selects_what_slicing_selects(first: int, length: int, size: int) -> None:
    body = bytes(size)
    header = f"bytes={first}-{first + length - 1}"

    try:
        selected = parse_range(header, size)
    except S3Error:
        selected = None
    expected = body[first : first + length]

    assert (selected is None) == (expected == b"")
    assert selected is None or body[selected[0] : selected[1] + 1] == expected


def test_parse_copy_range_selects_both_ends() -> None:
    assert parse_copy_range("bytes=0-9", size=10) == (0, 9)


@pytest.mark.parametrize(
    "header",
    [
        "0-8",
        "bytes=1-0",
        "bytes=-1-",
        "bytes=0--1",
        "bytes=0-1,3-4,7-9",
        "bytes=-",
        "bytes=-0",
        "bytes=1-",
        "bytes=-2",
        "bytes=0-٣",
    ],
)
def test_parse_copy_range_refuses_every_other_form(header: str) -> None:
    """S3 answered UploadPartCopy so in June 2025."""
    with pytest.raises(S3Error) as caught:
        parse_copy_range(header, size=10)

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.message == COPY_RANGE_FORM
    assert caught.value.detail == {
        "ArgumentName": "x-amz-copy-source-range",
        "ArgumentValue": header,
    }


@pytest.mark.parametrize(
    ("header", "code", "message"),
    [
        pytest.param(
            "bytes=0-100",
            ErrorCode.InvalidArgument,
            "Range specified is not valid for source object of size: 10",
            id="ends beyond the source",
        ),
        pytest.param(
            "bytes=100-200",
            ErrorCode.InvalidRequest,
            "The specified copy range is invalid for the source object size",
            id="begins beyond the source",
        ),
    ],
)
def test_parse_copy_range_refuses_bytes_the_source_does_not_have(
    header: str, code: ErrorCode, message: str
) -> None:
    """S3 answered UploadPartCopy so in June 2025."""
    with pytest.raises(S3Error) as caught:
        parse_copy_range(header, size=10)

    assert (caught.value.code, caught.value.message) == (code, message)


def test_no_such_part_tells_how_many_parts_there_are() -> None:
    error = no_such_part(3, parts=2)

    assert error.code is ErrorCode.InvalidPartNumber
    assert error.detail == {"ActualPartCount": "2", "PartNumberRequested": "3"}


def test_check_range_or_part_refuses_both() -> None:
    check_range_or_part("bytes=0-1", None)
    check_range_or_part(None, "1")

    with pytest.raises(S3Error) as caught:
        check_range_or_part("bytes=0-1", "1")

    assert caught.value.code is ErrorCode.InvalidRequest
