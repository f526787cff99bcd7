"""Documents of ListObjects and ListObjectsV2."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Protocol

from lxml import etree

from xml_responses.document import add, add_row, boolean, new_document, quoted, to_bytes
from xml_responses.owners import Owner, add_owner
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
    _add_contents(root, contents, encoded, owner)
    add_common_prefixes(root, common_prefixes, encoded)
    return to_bytes(root)


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
    _add_contents(root, contents, encoded, owner)
    add_common_prefixes(root, common_prefixes, encoded)
    return to_bytes(root)


def add_common_prefixes(
    root: etree._Element, common_prefixes: Iterable[str], encoded: Callable[[str], str]
) -> None:
    """Append a <CommonPrefixes> for each prefix."""
    for common_prefix in common_prefixes:
        add_row(root, "CommonPrefixes", {"Prefix": encoded(common_prefix)})


def _add_contents(
    root: etree._Element,
    contents: Iterable[ListedObject],
    encoded: Callable[[str], str],
    owner: Owner | None,
) -> None:
    for listed in contents:
        members = {
            "Key": encoded(listed.key),
            "LastModified": timestamp(listed.last_modified),
            "ETag": quoted(listed.etag),
        }
        if listed.checksum_algorithm is not None:
            members["ChecksumAlgorithm"] = listed.checksum_algorithm
        if listed.checksum_type is not None:
            members["ChecksumType"] = listed.checksum_type
        members["Size"] = str(listed.size)
        members["StorageClass"] = listed.storage_class
        row = add_row(root, "Contents", members)
        if owner is not None:
            add_owner(row, "Owner", owner)
