"""What a page of a listing holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from server.model.checksum import ChecksumAlgorithm, ChecksumType
from server.model.names import ETag, ObjectKey, UploadId

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One <Contents> of a listing."""

    key: ObjectKey
    last_modified: datetime
    etag: ETag
    size: int
    storage_class: str
    checksum_algorithm: ChecksumAlgorithm | None
    checksum_type: ChecksumType | None


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """One <Upload> of ListMultipartUploads."""

    key: ObjectKey
    upload_id: UploadId
    initiated: datetime
    storage_class: str
    checksum_algorithm: ChecksumAlgorithm | None
    checksum_type: ChecksumType | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Entry]):
    """One page: entries and common prefixes, each in UTF-8 order, and whether more follows."""

    entries: tuple[Entry, ...]
    common_prefixes: tuple[str, ...]
    is_truncated: bool
