"""What the listings are asked for.

Source: S3 API reference, ListObjectsV2, ListObjects, ListMultipartUploads, ListParts, ListBuckets;
answers of S3 recorded in 2025 and 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from server.model.names import UploadId
from server.rules.arguments import invalid_argument
from server.rules.limits import MAX_BUCKETS_PAGE, MAX_PAGE
from server.rules.numbers import parse_integer
from server.rules.positions import (
    AfterKey,
    AfterPrefix,
    Position,
    after_marker,
    decode_token,
    incorrect_token,
)

_TOKEN: Final = "continuation-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What all listings of keys are asked for. An empty prefix or delimiter is none."""

    prefix: str
    delimiter: str
    limit: int  # entries and common prefixes together, 0 to 1,000
    encoding_type: str | None  # "url" as the client spelled it: encode keys in the answer

    @property
    def encodes_url(self) -> bool:
        """Tell whether the answer percent-encodes what it says of keys."""
        return self.encoding_type is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListObjectsV2Query(ListQuery):
    """ListObjectsV2."""

    start_after: str | None
    continuation_token: str | None
    position: Position | None  # where the page begins; None: with the first key
    fetch_owner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListObjectsQuery(ListQuery):
    """ListObjects, the first version."""

    marker: str
    position: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUploadsQuery(ListQuery):
    """ListMultipartUploads. The upload id marker counts beside a key marker only."""

    key_marker: str
    upload_id_marker: UploadId | None
    position: Position | None  # uploads of the key marker itself may follow its upload id marker


@dataclass(frozen=True, slots=True)
class PartsPage:
    """A page of parts: ListParts and GetObjectAttributes."""

    limit: int  # parts, 0 to 1,000
    after: int  # the number of the part before the first; 0 for the first page


@dataclass(frozen=True, slots=True)
class ListBucketsQuery:
    """ListBuckets."""

    limit: int | None  # 1 to 10,000; None: all on one page
    prefix: str
    region: str | None
    after: str | None  # the name of the last bucket of the page before


def parse_list_objects_v2(query: Mapping[str, str]) -> ListObjectsV2Query:
    """Return what ListObjectsV2 is asked for. Raises S3Error InvalidArgument (400)."""
    token = query.get(_TOKEN)
    start_after = _text(query, "start-after")
    position: Position | None = None
    if token is not None:
        position = decode_token(token)
    elif start_after:
        position = AfterKey(start_after)
    return ListObjectsV2Query(
        prefix=_text(query, "prefix"),
        delimiter=_text(query, "delimiter"),
        limit=_limit(query, "max-keys", "maxKeys"),
        encoding_type=_encoding_type(query),
        start_after=start_after or None,
        continuation_token=token,
        position=position,
        fetch_owner=query.get("fetch-owner", "").lower() == "true",
    )


def parse_list_objects(query: Mapping[str, str]) -> ListObjectsQuery:
    """Return what ListObjects is asked for. Raises S3Error InvalidArgument (400)."""
    prefix, delimiter = _text(query, "prefix"), _text(query, "delimiter")
    marker = _text(query, "marker")
    return ListObjectsQuery(
        prefix=prefix,
        delimiter=delimiter,
        limit=_limit(query, "max-keys", "maxKeys"),
        encoding_type=_encoding_type(query),
        marker=marker,
        position=after_marker(marker, prefix, delimiter),
    )


def parse_list_uploads(query: Mapping[str, str]) -> ListUploadsQuery:
    """Return what ListMultipartUploads is asked for. Raises S3Error InvalidArgument (400)."""
    prefix, delimiter = _text(query, "prefix"), _text(query, "delimiter")
    key_marker = _text(query, "key-marker")
    upload_id_marker = _text(query, "upload-id-marker")
    return ListUploadsQuery(
        prefix=prefix,
        delimiter=delimiter,
        limit=_limit(query, "max-uploads"),
        encoding_type=_encoding_type(query),
        key_marker=key_marker,
        upload_id_marker=UploadId(upload_id_marker) if key_marker and upload_id_marker else None,
        position=after_marker(key_marker, prefix, delimiter),
    )


def parse_list_parts(query: Mapping[str, str]) -> PartsPage:
    """Return the page of ListParts. Raises S3Error InvalidArgument (400)."""
    return PartsPage(_limit(query, "max-parts"), _marker(query, "part-number-marker"))


def parse_attributes_page(headers: Mapping[str, str]) -> PartsPage:
    """Return the page of parts of GetObjectAttributes. Raises S3Error InvalidArgument (400)."""
    return PartsPage(
        _limit(headers, "x-amz-max-parts"), _marker(headers, "x-amz-part-number-marker")
    )


def parse_list_buckets(query: Mapping[str, str]) -> ListBucketsQuery:
    """Return what ListBuckets is asked for. Raises S3Error InvalidArgument (400)."""
    limit, token = query.get("max-buckets"), query.get(_TOKEN)
    position = None if token is None else decode_token(token)
    if isinstance(position, AfterPrefix):
        raise incorrect_token()
    return ListBucketsQuery(
        limit=None if limit is None else parse_integer(limit, "max-buckets", 1, MAX_BUCKETS_PAGE),
        prefix=_text(query, "prefix"),
        region=_text(query, "bucket-region") if "bucket-region" in query else None,
        after=None if position is None else position.key,
    )


def _text(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    # PostgreSQL text cannot hold it, and so no key does.
    if "\0" in value:
        raise invalid_argument("The value cannot hold the character NUL.", name, value)
    return value


def _limit(values: Mapping[str, str], name: str, name_in_range_error: str | None = None) -> int:
    text = values.get(name, "")
    if not text:
        return MAX_PAGE
    return min(parse_integer(text, name, name_in_range_error=name_in_range_error), MAX_PAGE)


def _marker(values: Mapping[str, str], name: str) -> int:
    text = values.get(name, "")
    return parse_integer(text, name) if text else 0


def _encoding_type(query: Mapping[str, str]) -> str | None:
    value = query.get("encoding-type")
    if value is not None and value.lower() != "url":
        raise invalid_argument(
            "Invalid Encoding Method specified in Request", "encoding-type", value
        )
    return value
