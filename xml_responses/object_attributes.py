"""The document of GetObjectAttributes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from lxml import etree

from xml_responses.checksums import Checksum, object_checksum_members, part_checksum_members
from xml_responses.document import add, add_row, boolean, new_document, to_bytes


class ObjectPart(Protocol):
    """One <Part> of GetObjectAttributes."""

    @property
    def number(self) -> int:
        """1 to 10,000."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def checksum_algorithm(self) -> str | None:
        """S3's own spelling."""

    @property
    def checksum(self) -> str | None:
        """Base64; None where the part has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsPage:
    """A page of an object's parts."""

    part_number_marker: int
    next_part_number_marker: int | None
    max_parts: int
    is_truncated: bool
    parts: Iterable[ObjectPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectParts:
    """The parts of an object that CompleteMultipartUpload made."""

    total: int
    page: PartsPage | None  # None: only the count, as S3 answers for parts without checksums


def get_object_attributes_response(
    *,
    etag: str | None,
    checksum: Checksum | None,
    object_parts: ObjectParts | None,
    storage_class: str | None,
    object_size: int | None,
) -> bytes:
    """Return the body of GetObjectAttributes; None where an attribute was not asked for.

    etag: unquoted, and so it is sent: this is the one document where S3 writes no quotes.
    """
    root = new_document("GetObjectAttributesResponse")
    add(root, "ETag", etag)
    if checksum is not None:
        add_row(root, "Checksum", object_checksum_members(checksum))
    if object_parts is not None:
        _add_object_parts(root, object_parts)
    add(root, "StorageClass", storage_class)
    add(root, "ObjectSize", None if object_size is None else str(object_size))
    return to_bytes(root)


def _add_object_parts(root: etree._Element, object_parts: ObjectParts) -> None:
    element = etree.SubElement(root, "ObjectParts")
    add(element, "PartsCount", str(object_parts.total))
    page = object_parts.page
    if page is None:
        return
    marker = page.next_part_number_marker
    add(element, "PartNumberMarker", str(page.part_number_marker))
    add(element, "NextPartNumberMarker", None if marker is None else str(marker))
    add(element, "MaxParts", str(page.max_parts))
    add(element, "IsTruncated", boolean(page.is_truncated))
    for part in page.parts:
        add_row(
            element,
            "Part",
            {
                "PartNumber": str(part.number),
                "Size": str(part.size),
                **part_checksum_members(part.checksum_algorithm, part.checksum),
            },
        )
