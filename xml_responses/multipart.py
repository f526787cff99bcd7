"""Documents of multipart uploads, and the body of CompleteMultipartUpload."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from xml.etree.ElementTree import Element

from xml_responses.checksums import Checksum, object_checksum_members, part_checksum_members
from xml_responses.document import (
    add,
    add_members,
    add_row,
    boolean,
    new_document,
    quoted,
    to_bytes,
)
from xml_responses.errors import MalformedXML
from xml_responses.listings import common_prefix_rows
from xml_responses.owners import Owner, add_owner
from xml_responses.request_body import etag as unquoted_etag
from xml_responses.request_body import integer, parse, stripped, texts
from xml_responses.timestamps import timestamp
from xml_responses.url_encoding import EncodingType, key_encoder

MAX_PARTS: Final = 10_000
# Twelve elements a part as S3 knows it, and room for those that are ignored.
_MAX_ELEMENTS: Final = 20 * MAX_PARTS
# Every algorithm S3 has, so that an operation can refuse by name what it does not compute.
_CHECKSUM_ALGORITHMS: Final = (
    "CRC32",
    "CRC32C",
    "CRC64NVME",
    "MD5",
    "SHA1",
    "SHA256",
    "SHA512",
    "XXHASH128",
    "XXHASH3",
    "XXHASH64",
)
_ALGORITHM_OF: Final = {f"Checksum{algorithm}": algorithm for algorithm in _CHECKSUM_ALGORITHMS}
_PART: Final = frozenset({"PartNumber", "ETag", *_ALGORITHM_OF})


class ListedPart(Protocol):
    """One <Part> of ListParts."""

    @property
    def number(self) -> int:
        """1 to 10,000."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def etag(self) -> str:
        """Unquoted."""

    @property
    def last_modified(self) -> datetime:
        """Aware."""

    @property
    def checksum_algorithm(self) -> str | None:
        """S3's own spelling."""

    @property
    def checksum(self) -> str | None:
        """Base64; None where the part has none."""


class ListedUpload(Protocol):
    """One <Upload> of ListMultipartUploads."""

    @property
    def key(self) -> str:
        """Not encoded."""

    @property
    def upload_id(self) -> str:
        """Never encoded."""

    @property
    def initiated(self) -> datetime:
        """Aware."""

    @property
    def storage_class(self) -> str:
        """S3's own spelling."""

    @property
    def checksum_algorithm(self) -> str | None:
        """S3's own spelling; None where the client asked for none."""

    @property
    def checksum_type(self) -> str | None:
        """COMPOSITE or FULL_OBJECT."""


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """One <Part> of CompleteMultipartUpload."""

    number: int  # as sent: not checked to lie between 1 and 10,000
    etag: str  # unquoted
    checksums: Mapping[str, str]  # as sent, by algorithm in S3's own spelling, e.g. "CRC32"


def initiate_multipart_upload_result(*, bucket: str, key: str, upload_id: str) -> bytes:
    """Return the body of CreateMultipartUpload."""
    root = new_document("InitiateMultipartUploadResult")
    add(root, "Bucket", bucket)
    add(root, "Key", key)
    add(root, "UploadId", upload_id)
    return to_bytes(root)


def complete_multipart_upload_result(
    *, location: str, bucket: str, key: str, etag: str, checksum: Checksum | None
) -> bytes:
    """Return the body of CompleteMultipartUpload. location: a URL; etag: unquoted."""
    root = new_document("CompleteMultipartUploadResult")
    add(root, "Location", location)
    add(root, "Bucket", bucket)
    add(root, "Key", key)
    add(root, "ETag", quoted(etag))
    add_members(root, object_checksum_members(checksum))
    return to_bytes(root)


def list_parts_result(
    *,
    bucket: str,
    key: str,
    upload_id: str,
    initiator: Owner,
    owner: Owner,
    storage_class: str,
    checksum_algorithm: str | None,
    checksum_type: str | None,
    part_number_marker: int,
    next_part_number_marker: int | None,
    max_parts: int,
    is_truncated: bool,
    parts: Iterable[ListedPart],
) -> bytes:
    """Return the body of ListParts."""
    root = new_document("ListPartsResult")
    add(root, "Bucket", bucket)
    add(root, "Key", key)
    add(root, "UploadId", upload_id)
    add_owner(root, "Initiator", initiator)
    add_owner(root, "Owner", owner)
    add(root, "StorageClass", storage_class)
    add(root, "ChecksumAlgorithm", checksum_algorithm)
    add(root, "ChecksumType", checksum_type)
    add(root, "PartNumberMarker", str(part_number_marker))
    add(
        root,
        "NextPartNumberMarker",
        None if next_part_number_marker is None else str(next_part_number_marker),
    )
    add(root, "MaxParts", str(max_parts))
    add(root, "IsTruncated", boolean(is_truncated))
    for part in parts:
        add_row(
            root,
            "Part",
            {
                "PartNumber": str(part.number),
                "LastModified": timestamp(part.last_modified),
                "ETag": quoted(part.etag),
                "Size": str(part.size),
                **part_checksum_members(part.checksum_algorithm, part.checksum),
            },
        )
    return to_bytes(root)


def list_multipart_uploads_result(
    *,
    bucket: str,
    key_marker: str,
    upload_id_marker: str,
    next_key_marker: str | None,
    next_upload_id_marker: str | None,
    delimiter: str | None,
    prefix: str | None,
    encoding_type: EncodingType | None,
    max_uploads: int,
    is_truncated: bool,
    uploads: Iterable[ListedUpload],
    common_prefixes: Iterable[str],
    owner: Owner,
) -> bytes:
    """Return the body of ListMultipartUploads.

    Keys, prefixes, the delimiter and key markers come as they are; encoding_type encodes them
    here. Upload ids are never encoded.
    delimiter, prefix: None or "" leaves the element out.
    owner: of the bucket, who is also the initiator of every upload.
    """
    encoded = key_encoder(encoding_type)
    root = new_document("ListMultipartUploadsResult")
    add(root, "Bucket", bucket)
    add(root, "KeyMarker", encoded(key_marker))
    add(root, "UploadIdMarker", upload_id_marker)
    add(root, "NextKeyMarker", None if next_key_marker is None else encoded(next_key_marker))
    add(root, "NextUploadIdMarker", next_upload_id_marker)
    add(root, "Delimiter", encoded(delimiter) if delimiter else None)
    add(root, "Prefix", encoded(prefix) if prefix else None)
    add(root, "EncodingType", encoding_type)
    add(root, "MaxUploads", str(max_uploads))
    add(root, "IsTruncated", boolean(is_truncated))
    for upload in uploads:
        row = add_row(root, "Upload", {"Key": encoded(upload.key), "UploadId": upload.upload_id})
        add_owner(row, "Initiator", owner)
        add_owner(row, "Owner", owner)
        add(row, "StorageClass", upload.storage_class)
        add(row, "Initiated", timestamp(upload.initiated))
        add(row, "ChecksumAlgorithm", upload.checksum_algorithm)
        add(row, "ChecksumType", upload.checksum_type)
    return to_bytes(root, common_prefix_rows(common_prefixes, encoded))


def parse_complete_multipart_upload(body: bytes) -> tuple[CompletedPart, ...]:
    """Return the parts that the body of CompleteMultipartUpload names, in its order.

    Raises MalformedXML; as S3 does also for no part, for more than MAX_PARTS, and for a part
    without a number or an ETag.
    """
    root = parse(body, "CompleteMultipartUpload", max_elements=_MAX_ELEMENTS)
    elements = root.findall("Part")
    if not 1 <= len(elements) <= MAX_PARTS:
        raise MalformedXML(f"a CompleteMultipartUpload names 1 to {MAX_PARTS} parts")
    return tuple(_parse_part(element) for element in elements)


def _parse_part(element: Element) -> CompletedPart:
    found = texts(element, _PART)
    if "PartNumber" not in found or "ETag" not in found:
        raise MalformedXML("a Part lacks its PartNumber or ETag")
    return CompletedPart(
        number=integer(found.pop("PartNumber")),
        etag=unquoted_etag(found.pop("ETag")),
        checksums={_ALGORITHM_OF[name]: stripped(text) for name, text in found.items()},
    )
