"""What a page of a listing holds."""

from datetime import datetime
from typing import Generic, TypeVar

from server.model.checksum import ChecksumAlgorithm, ChecksumType
from server.model.names import ETag, ObjectKey, UploadId
from server.model.value import value

Entry = TypeVar("Entry")


@value()
class ListedObject:
    """One <Contents> of a listing."""

    key: ObjectKey
    last_modified: datetime
    etag: ETag
    size: int
    storage_class: str
    checksum_algorithm: ChecksumAlgorithm | None
    checksum_type: ChecksumType | None


@value()
class ListedUpload:
    """One <Upload> of ListMultipartUploads."""

    key: ObjectKey
    upload_id: UploadId
    initiated: datetime
    storage_class: str
    checksum_algorithm: ChecksumAlgorithm | None
    checksum_type: ChecksumType | None


@value()
class Page(Generic[Entry]):
    """One page: entries and common prefixes, each in UTF-8 order, and whether more follows."""

    entries: tuple[Entry, ...]
    common_prefixes: tuple[str, ...]
    is_truncated: bool
