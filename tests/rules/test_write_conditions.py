from datetime import UTC, datetime

import pytest

from server.errors import ErrorCode, S3Error
from server.model.names import ETag, ObjectKey
from server.rules.write_conditions import (
    CurrentObject,
    MustMatch,
    MustNotExist,
    WriteCondition,
    check_abort_condition,
    check_delete_condition,
    check_write_condition,
    parse_delete_condition,
    parse_write_condition,
)

KEY = ObjectKey("photo.jpg")
ETAG = ETag("9a03")
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, 500_000, tzinfo=UTC)
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
CURRENT = CurrentObject(ETAG, MODIFIED, size=4)


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"if-none-match": "*"}, MustNotExist(), id="must not exist"),
        pytest.param({"if-match": '"9a03"'}, MustMatch(ETAG), id="must match"),
        pytest.param({"if-match": "9a03"}, MustMatch(ETAG), id="must match, without quotes"),
    ],
)
def test_parse_write_condition_reads(
    headers: dict[str, str], condition: WriteCondition | None
) -> None:
    assert parse_write_condition(headers) == condition


@pytest.mark.parametrize(
    ("headers", "named", "reason"),
    [
        pytest.param(
            {"if-match": '"a"', "if-none-match": "*"},
            "If-Match,If-None-Match",
            "Multiple conditional request headers present in the request",
            id="both",
        ),
        pytest.param(
            {"if-none-match": '"a"'},
            "If-None-Match",
            "We don't accept the provided value of If-None-Match header for this API",
            id="If-None-Match with an ETag",
        ),
        pytest.param(
            {"if-match": "*"},
            "If-Match",
            "We don't accept the provided value of If-Match header for this API",
            id="If-Match with any",
        ),
    ],
)
def test_parse_write_condition_refuses_what_s3_has_not_implemented(
    headers: dict[str, str], named: str, reason: str
) -> None:
    """S3 answered PutObject so in March 2025."""
    with pytest.raises(S3Error) as caught:
        parse_write_condition(headers)

    assert caught.value.code is ErrorCode.NotImplemented
    assert caught.value.detail == {"Header": named, "additionalMessage": reason}


@pytest.mark.parametrize(
    ("condition", "current"),
    [
        pytest.param(None, None, id="nothing demanded, no object"),
        pytest.param(None, ETAG, id="nothing demanded"),
        pytest.param(MustNotExist(), None, id="must not exist"),
        pytest.param(MustMatch(ETAG), ETAG, id="must match"),
    ],
)
def test_a_write_goes_on_where_its_condition_holds(
    condition: WriteCondition | None, current: ETag | None
) -> None:
    check_write_condition(condition, current, key=KEY)


@pytest.mark.parametrize(
    ("condition", "current", "code", "detail"),
    [
        pytest.param(
            MustNotExist(),
            ETAG,
            ErrorCode.PreconditionFailed,
            {"Condition": "If-None-Match"},
            id="must not exist",
        ),
        pytest.param(
            MustMatch(ETAG),
            ETag("other"),
            ErrorCode.PreconditionFailed,
            {"Condition": "If-Match"},
            id="must match",
        ),
        pytest.param(
            MustMatch(ETAG), None, ErrorCode.NoSuchKey, {"Key": "photo.jpg"}, id="no object"
        ),
    ],
)
def test_a_write_ends_where_its_condition_fails(
    condition: WriteCondition, current: ETag | None, code: ErrorCode, detail: dict[str, str]
) -> None:
    """S3 answered PutObject so in March 2025."""
    with pytest.raises(S3Error) as caught:
        check_write_condition(condition, current, key=KEY)

    assert (caught.value.code, caught.value.detail) == (code, detail)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"if-match": '"9a03"'}, id="ETag"),
        pytest.param({"if-match": "*"}, id="any ETag"),
        pytest.param({"x-amz-if-match-size": "4"}, id="size"),
        pytest.param({"x-amz-if-match-last-modified-time": AT}, id="HTTP date"),
        pytest.param(
            {"x-amz-if-match-last-modified-time": "1994-11-06T08:49:37Z"}, id="ISO 8601 time"
        ),
        pytest.param(
            {
                "if-match": "9a03",
                "x-amz-if-match-size": "4",
                "x-amz-if-match-last-modified-time": AT,
            },
            id="all",
        ),
    ],
)
def test_a_delete_goes_on_where_its_conditions_hold(headers: dict[str, str]) -> None:
    check_delete_condition(parse_delete_condition(headers), CURRENT, key=KEY)


@pytest.mark.parametrize(
    ("headers", "failed"),
    [
        pytest.param({"if-match": '"other"'}, "If-Match", id="ETag"),
        pytest.param({"x-amz-if-match-size": "5"}, "x-amz-if-match-size", id="size"),
        pytest.param(
            {"x-amz-if-match-last-modified-time": BEFORE},
            "x-amz-if-match-last-modified-time",
            id="time",
        ),
    ],
)
def test_a_delete_ends_where_a_condition_fails(headers: dict[str, str], failed: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_delete_condition(parse_delete_condition(headers), CURRENT, key=KEY)

    assert caught.value.code is ErrorCode.PreconditionFailed
    assert caught.value.detail == {"Condition": failed}


@pytest.mark.parametrize("etag", ["*", '"9a03"'])
def test_a_delete_with_if_match_wants_an_object(etag: str) -> None:
    """S3 answered 404 to both in August 2026."""
    with pytest.raises(S3Error) as caught:
        check_delete_condition(parse_delete_condition({"if-match": etag}), None, key=KEY)

    assert caught.value.code is ErrorCode.NoSuchKey


def test_a_delete_by_size_or_time_has_nothing_to_do_where_there_is_no_object() -> None:
    """S3 API reference, DeleteObject, x-amz-if-match-size."""
    condition = parse_delete_condition(
        {"x-amz-if-match-size": "4", "x-amz-if-match-last-modified-time": AT}
    )

    check_delete_condition(condition, None, key=KEY)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"x-amz-if-match-size": "-1"}, ErrorCode.InvalidArgument, id="size"),
        pytest.param(
            {"x-amz-if-match-last-modified-time": "now"}, ErrorCode.InvalidArgument, id="time"
        ),
        pytest.param({"if-none-match": "*"}, ErrorCode.NotImplemented, id="If-None-Match"),
        pytest.param(
            {"if-none-match": "*", "if-match": "*"}, ErrorCode.NotImplemented, id="both headers"
        ),
    ],
)
def test_a_delete_never_drops_a_condition_it_does_not_understand(
    headers: dict[str, str], code: ErrorCode
) -> None:
    with pytest.raises(S3Error) as caught:
        parse_delete_condition(headers)

    assert caught.value.code is code


def test_an_abort_may_name_the_time_its_upload_was_initiated() -> None:
    check_abort_condition({}, MODIFIED)
    check_abort_condition({"x-amz-if-match-initiated-time": AT}, MODIFIED)

    with pytest.raises(S3Error) as caught:
        check_abort_condition({"x-amz-if-match-initiated-time": BEFORE}, MODIFIED)

    assert caught.value.code is ErrorCode.PreconditionFailed
    assert caught.value.detail == {"Condition": "x-amz-if-match-initiated-time"}


def test_an_abort_refuses_a_time_that_is_none() -> None:
    with pytest.raises(S3Error) as caught:
        check_abort_condition({"x-amz-if-match-initiated-time": "now"}, MODIFIED)

    assert caught.value.code is ErrorCode.InvalidArgument
