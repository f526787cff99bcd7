"""Conditions on writes and deletes: what must be true of the key before it changes.

Source: S3 User Guide, "Conditional writes" and "Conditional deletes"; answers of S3 to PutObject
and CompleteMultipartUpload recorded in March 2025, to DeleteObject in August 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.names import ETag, ObjectKey
from server.rules.arguments import header_not_implemented, invalid_argument
from server.rules.conditional import AnyETag, ETagList, parse_date, parse_etag_list
from server.rules.etags import unquote_etag
from server.rules.numbers import parse_digits
from server.rules.timestamps import whole_second

_LAST_MODIFIED_TIME: Final = "x-amz-if-match-last-modified-time"
_SIZE: Final = "x-amz-if-match-size"
_INITIATED_TIME: Final = "x-amz-if-match-initiated-time"
_MAX_SIZE: Final = 2**63 - 1
_MULTIPLE: Final = "Multiple conditional request headers present in the request"


@dataclass(frozen=True, slots=True)
class MustNotExist:
    """If-None-Match: *"""


@dataclass(frozen=True, slots=True)
class MustMatch:
    """If-Match with an ETag."""

    etag: ETag


WriteCondition = MustNotExist | MustMatch


@dataclass(frozen=True, slots=True)
class DeleteCondition:
    """What a DELETE, or one entry of DeleteObjects, demands; at least one is not None."""

    etag: ETagList | AnyETag | None
    last_modified: datetime | None
    size: int | None  # bytes


@dataclass(frozen=True, slots=True)
class CurrentObject:
    """What a condition on a delete is compared with."""

    etag: ETag
    last_modified: datetime
    size: int  # bytes


def parse_write_condition(headers: Mapping[str, str]) -> WriteCondition | None:
    """Return what PutObject, CopyObject or CompleteMultipartUpload demands of the target key.

    Raises S3Error NotImplemented (501), as S3 does, for both headers at once, for If-None-Match
    with an ETag and for If-Match with "*".
    """
    if_match = headers.get("if-match")
    if_none_match = headers.get("if-none-match")
    if if_match is not None and if_none_match is not None:
        raise header_not_implemented("If-Match,If-None-Match", _MULTIPLE)
    if if_none_match is not None:
        if if_none_match != "*":
            raise _value_not_accepted("If-None-Match")
        return MustNotExist()
    if if_match is None:
        return None
    if if_match == "*":
        raise _value_not_accepted("If-Match")
    return MustMatch(unquote_etag(if_match))


def check_write_condition(
    condition: WriteCondition | None, current_etag: ETag | None, *, key: ObjectKey
) -> None:
    """Return where the key may be written.

    current_etag: of the current version; None where the key holds no object.

    Raises S3Error PreconditionFailed (412), or NoSuchKey (404) where If-Match meets no object.
    """
    match condition:
        case MustNotExist() if current_etag is not None:
            raise S3Error(ErrorCode.PreconditionFailed, Condition="If-None-Match")
        case MustMatch() if current_etag is None:
            raise S3Error(ErrorCode.NoSuchKey, Key=key)
        case MustMatch(etag) if etag != current_etag:
            raise S3Error(ErrorCode.PreconditionFailed, Condition="If-Match")
        case _:
            return


def parse_delete_condition(headers: Mapping[str, str]) -> DeleteCondition | None:
    """Return what DeleteObject demands, or None.

    Raises S3Error InvalidArgument (400) for a time or a size that is none; NotImplemented (501)
    for If-None-Match, which a delete does not have.
    """
    if_match = headers.get("if-match")
    if "if-none-match" in headers:
        if if_match is not None:
            raise header_not_implemented("If-Match,If-None-Match", _MULTIPLE)
        raise _value_not_accepted("If-None-Match")
    condition = DeleteCondition(
        etag=None if if_match is None else parse_etag_list(if_match),
        last_modified=_time(_LAST_MODIFIED_TIME, headers.get(_LAST_MODIFIED_TIME)),
        size=_size(headers.get(_SIZE)),
    )
    return None if condition == DeleteCondition(None, None, None) else condition


def check_delete_condition(
    condition: DeleteCondition | None, current: CurrentObject | None, *, key: ObjectKey
) -> None:
    """Return where the key may be deleted.

    current: None where the key holds no object. A condition on time or size alone then holds:
             the delete has nothing to do.

    Raises S3Error PreconditionFailed (412) with the condition that failed, or NoSuchKey (404)
    where If-Match meets no object.
    """
    if condition is None:
        return
    if current is None:
        if condition.etag is not None:
            raise S3Error(ErrorCode.NoSuchKey, Key=key)
        return
    if condition.etag is not None and not condition.etag.has(current.etag):
        raise S3Error(ErrorCode.PreconditionFailed, Condition="If-Match")
    if condition.last_modified not in (None, whole_second(current.last_modified)):
        raise S3Error(ErrorCode.PreconditionFailed, Condition=_LAST_MODIFIED_TIME)
    if condition.size not in (None, current.size):
        raise S3Error(ErrorCode.PreconditionFailed, Condition=_SIZE)


def check_abort_condition(headers: Mapping[str, str], initiated: datetime) -> None:
    """Return where AbortMultipartUpload may end an upload that was initiated then.

    Raises S3Error PreconditionFailed (412); InvalidArgument (400) for a time that is none.
    """
    demanded = _time(_INITIATED_TIME, headers.get(_INITIATED_TIME))
    if demanded not in (None, whole_second(initiated)):
        raise S3Error(ErrorCode.PreconditionFailed, Condition=_INITIATED_TIME)


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    time = parse_date(text)
    if time is None:
        raise invalid_argument("The time is neither an HTTP date nor ISO 8601.", name, text)
    return time


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    size = parse_digits(text, _MAX_SIZE)
    if size is None:
        raise invalid_argument("The size is not a number of bytes.", _SIZE, text)
    return size


def _value_not_accepted(header: str) -> S3Error:
    return header_not_implemented(
        header, f"We don't accept the provided value of {header} header for this API"
    )
