"""Documents of ListObjects and ListObjectsV2."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Protocol

from xml_responses.document import add, boolean, escaped, new_document, quoted, to_bytes
from xml_responses.owners import Owner, owner_row
from xml_responses.timestamps import timestamp
from xml_responses.url_encoding import EncodingType, key_encoder


class ListedObject(Protocol):
    """One <Contents> of a listing."""

    @property
    def key(self) -> str:
        """Not encoded."""

    @property
    def last_modified(self) -> datetime:
        """Aware."""

    @property
    def etag(self) -> str:
        """Unquoted."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def storage_class(self) -> str:
        """S3's own spelling."""

    @property
    def checksum_algorithm(self) -> str | None:
        """S3's own spelling; None where the object has no checksum."""

    @property
    def checksum_type(self) -> str | None:
        """COMPOSITE or FULL_OBJECT."""


def list_bucket_result(
    *,
    name: str,
    prefix: str,
    marker: str,
    next_marker: str | None,
    max_keys: int,
    delimiter: str | None,
    encoding_type: EncodingType | None,
    is_truncated: bool,
    contents: Iterable[ListedObject],
    common_prefixes: Iterable[str],
    owner: Owner,
) -> bytes:
    """Return the body of ListObjects, version 1.

    Keys, prefixes, the delimiter and markers come as they are; encoding_type encodes them here.
    delimiter: None or "" leaves the element out, as S3 does.
    owner: of the bucket, and so of every object in it.

    Element order: the examples of the S3 API reference, ListObjects.
    """
    encoded = key_encoder(encoding_type)
    root = new_document("ListBucketResult")
    add(root, "Name", name)
    add(root, "Prefix", encoded(prefix))
    add(root, "Marker", encoded(marker))
    add(root, "NextMarker", None if next_marker is None else encoded(next_marker))
    add(root, "MaxKeys", str(max_keys))
    add(root, "Delimiter", encoded(delimiter) if delimiter else None)
    add(root, "EncodingType", encoding_type)
    add(root, "IsTruncated", boolean(is_truncated))
    objects = _contents(contents, encoded, owner)
    return to_bytes(root, [*objects, *common_prefix_rows(common_prefixes, encoded)])


def list_bucket_result_v2(
    *,
    name: str,
    prefix: str,
    start_after: str | None,
    continuation_token: str | None,
    next_continuation_token: str | None,
    max_keys: int,
    delimiter: str | None,
    encoding_type: EncodingType | None,
    is_truncated: bool,
    contents: Collection[ListedObject],
    common_prefixes: Collection[str],
    owner: Owner | None,
) -> bytes:
    """Return the body of ListObjectsV2.

    Keys, prefixes, the delimiter and start_after come as they are; encoding_type encodes them
    here. Tokens are never encoded.
    delimiter: None or "" leaves the element out, as S3 does.
    owner: for fetch-owner=true; None leaves <Owner> out.

    Element order: the examples of the S3 API reference, ListObjectsV2.
    """
    encoded = key_encoder(encoding_type)
    root = new_document("ListBucketResult")
    add(root, "Name", name)
    add(root, "Prefix", encoded(prefix))
    add(root, "StartAfter", None if start_after is None else encoded(start_after))
    add(root, "ContinuationToken", continuation_token)
    add(root, "NextContinuationToken", next_continuation_token)
    add(root, "KeyCount", str(len(contents) + len(common_prefixes)))
    add(root, "MaxKeys", str(max_keys))
    add(root, "Delimiter", encoded(delimiter) if delimiter else None)
    add(root, "EncodingType", encoding_type)
    add(root, "IsTruncated", boolean(is_truncated))
    objects = _contents(contents, encoded, owner)
    return to_bytes(root, [*objects, *common_prefix_rows(common_prefixes, encoded)])


def common_prefix_rows(
    common_prefixes: Iterable[str], encoded: Callable[[str], str]
) -> Iterable[str]:
    """Return a <CommonPrefixes> for each prefix, as rows of to_bytes()."""
    return [
        f"<CommonPrefixes><Prefix>{escaped(encoded(prefix))}</Prefix></CommonPrefixes>"
        for prefix in common_prefixes
    ]


def _contents(
    contents: Iterable[ListedObject], encoded: Callable[[str], str], owner: Owner | None
) -> Iterable[str]:
    # Of all that is shown only keys are a client's own words.
    shown_owner = "" if owner is None else owner_row("Owner", owner)
    return [
        f"<Contents><Key>{escaped(encoded(listed.key))}</Key>"
        f"<LastModified>{timestamp(listed.last_modified)}</LastModified>"
        f"<ETag>{quoted(listed.etag)}</ETag>"
        f"{_checksum_members(listed.checksum_algorithm, listed.checksum_type)}"
        f"<Size>{listed.size}</Size>"
        f"<StorageClass>{listed.storage_class}</StorageClass>{shown_owner}</Contents>"
        for listed in contents
    ]


@cache
def _checksum_members(algorithm: str | None, kind: str | None) -> str:
    # Of a few enumerated values, hence the cache.
    return (f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm>" if algorithm else "") + (
        f"<ChecksumType>{kind}</ChecksumType>" if kind else ""
    )
