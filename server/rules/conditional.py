"""Conditions on reads and on the source of a copy: RFC 9110 section 13 as S3 applies it.

Source: S3 API reference, GetObject and CopyObject; answers of S3 recorded in November 2025.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.names import ETag
from server.rules.arguments import invalid_argument
from server.rules.etags import quote_etag, unquote_etag
from server.rules.http_dates import format_http_date, parse_http_date
from server.rules.timestamps import parse_iso_8601

_COPY_SOURCE: Final = "x-amz-copy-source-"
_IF_MATCH: Final = "If-Match"
_IF_UNMODIFIED_SINCE: Final = "If-Unmodified-Since"
_IF_NONE_MATCH: Final = "If-None-Match"
_IF_MODIFIED_SINCE: Final = "If-Modified-Since"
_READ_HEADERS: Final = frozenset(
    {"if-match", "if-unmodified-since", "if-none-match", "if-modified-since"}
)
_COPY_SOURCE_HEADERS: Final = frozenset(_COPY_SOURCE + name for name in _READ_HEADERS)


@dataclass(frozen=True, slots=True)
class ETagList:
    """The value of If-Match or If-None-Match."""

    strong: frozenset[ETag]
    weak: frozenset[ETag]

    def has(self, etag: ETag) -> bool:
        """Tell whether the list names the ETag by strong comparison, as If-Match compares."""
        return etag in self.strong

    def has_weakly(self, etag: ETag) -> bool:
        """Tell whether the list names the ETag by weak comparison, as If-None-Match compares."""
        return etag in self.strong or etag in self.weak


@dataclass(frozen=True, slots=True)
class AnyETag:
    """The value "*": every object that exists matches."""

    def has(self, etag: ETag) -> bool:
        """Return True."""
        return True

    has_weakly = has


@dataclass(frozen=True, slots=True)
class ReadConditions:
    """What a request says of the object it reads; None where it does not say it."""

    if_match: ETagList | AnyETag | None
    if_unmodified_since: datetime | None
    if_none_match: ETagList | AnyETag | None
    if_modified_since: datetime | None


def parse_etag_list(header: str) -> ETagList | AnyETag:
    """Return the ETags of a header: "*", or a list, each with or without quotes, or weak."""
    strong, weak = set(), set()
    for item in header.split(","):
        text = item.strip()
        if text == "*":
            return AnyETag()
        if text.startswith("W/"):
            weak.add(unquote_etag(text[2:]))
        else:
            strong.add(unquote_etag(text))
    return ETagList(frozenset(strong), frozenset(weak))


def parse_date(text: str) -> datetime | None:
    """Return the time that an HTTP date or an ISO 8601 time in UTC names, or None."""
    return parse_http_date(text) or parse_iso_8601(text)


def parse_read_conditions(headers: Mapping[str, str]) -> ReadConditions | None:
    """Return the conditions of a GET or HEAD, or None where it has none.

    A date that is none is ignored, as RFC 9110 sections 13.1.3 and 13.1.4 demand.
    """
    if headers.keys().isdisjoint(_READ_HEADERS):
        return None
    return ReadConditions(
        if_match=_etags(headers, "if-match"),
        if_unmodified_since=parse_date(headers.get("if-unmodified-since", "")),
        if_none_match=_etags(headers, "if-none-match"),
        if_modified_since=parse_date(headers.get("if-modified-since", "")),
    )


def check_read_conditions(
    conditions: ReadConditions | None, *, etag: ETag, last_modified: datetime, now: datetime
) -> None:
    """Return where the object may be read.

    Raises S3Error NotModified (304), or PreconditionFailed (412) with the header that failed.
    """
    failed = _first_failed(conditions, etag, last_modified, now)
    if failed in (_IF_NONE_MATCH, _IF_MODIFIED_SINCE):
        raise S3Error(
            ErrorCode.NotModified,
            headers={"ETag": quote_etag(etag), "Last-Modified": format_http_date(last_modified)},
        )
    if failed is not None:
        raise S3Error(ErrorCode.PreconditionFailed, Condition=failed)


def if_range_holds(if_range: str, *, etag: ETag, last_modified: datetime) -> bool:
    """Return whether the version is exactly the one that If-Range names; else Range is ignored.

    if_range: value as sent: one strong ETag in its quotes, or the Last-Modified of the version.
        Anything else, a weak ETag too, names no version.
    last_modified: whole seconds.

    Source: RFC 9110 section 13.1.5.
    """
    return if_range == quote_etag(etag) or parse_http_date(if_range) == last_modified


def parse_copy_source_conditions(headers: Mapping[str, str]) -> ReadConditions | None:
    """Return the x-amz-copy-source-if-… conditions, or None where there is none.

    Raises S3Error InvalidArgument (400) for a date that is none: a copy that ignored it would
    store what the client wanted to prevent.
    """
    if headers.keys().isdisjoint(_COPY_SOURCE_HEADERS):
        return None
    return ReadConditions(
        if_match=_etags(headers, "x-amz-copy-source-if-match"),
        if_unmodified_since=_strict_date(headers, "x-amz-copy-source-if-unmodified-since"),
        if_none_match=_etags(headers, "x-amz-copy-source-if-none-match"),
        if_modified_since=_strict_date(headers, "x-amz-copy-source-if-modified-since"),
    )


def check_copy_source_conditions(
    conditions: ReadConditions | None, *, etag: ETag, last_modified: datetime, now: datetime
) -> None:
    """Return where the source may be copied. Raises S3Error PreconditionFailed (412), never 304."""
    failed = _first_failed(conditions, etag, last_modified, now)
    if failed is not None:
        raise S3Error(ErrorCode.PreconditionFailed, Condition=_COPY_SOURCE + failed)


def _etags(headers: Mapping[str, str], name: str) -> ETagList | AnyETag | None:
    value = headers.get(name)
    return None if value is None else parse_etag_list(value)


def _strict_date(headers: Mapping[str, str], name: str) -> datetime | None:
    value = headers.get(name)
    if value is None:
        return None
    date = parse_date(value)
    if date is None:
        raise invalid_argument("The date is not an HTTP date.", name, value)
    return date


def _first_failed(
    conditions: ReadConditions | None, etag: ETag, last_modified: datetime, now: datetime
) -> str | None:
    """Return the first header that does not hold, in the order of RFC 9110 section 13.2.2.

    A date matters only where its header's ETag twin was not sent.
    """
    if conditions is None:
        return None
    if_match, if_none_match = conditions.if_match, conditions.if_none_match
    if if_match is not None and not if_match.has(etag):
        return _IF_MATCH
    since = conditions.if_unmodified_since
    if if_match is None and since is not None and last_modified > since:
        return _IF_UNMODIFIED_SINCE
    if if_none_match is not None and if_none_match.has_weakly(etag):
        return _IF_NONE_MATCH
    # S3 ignores a date that lies in its future.
    since = conditions.if_modified_since
    if if_none_match is None and since is not None and last_modified <= since <= now:
        return _IF_MODIFIED_SINCE
    return None
