"""Multipart uploads and their parts."""

from collections.abc import Mapping
from datetime import datetime

from server.model.checksum import ChecksumAlgorithm, ChecksumType
from server.model.names import ETag, ObjectKey, UploadId
from server.model.value import value


@value(kw_only=True)
class MultipartUpload:
    """An upload between CreateMultipartUpload and Complete or Abort."""

    id: int
    upload_id: UploadId
    key: ObjectKey
    manifest_id: int
    initiated: datetime
    storage_class: str
    headers: Mapping[str, str]
    user_metadata: Mapping[str, str]
    tags: Mapping[str, str]
    # None: the client asked for no checksum; the parts then carry CRC64NVME, as S3 computes it.
    checksum_algorithm: ChecksumAlgorithm | None
    checksum_type: ChecksumType | None


@value()
class Part:
    """One part of an upload, or of a completed object."""

    number: int  # 1 to 10,000
    size: int  # bytes
    etag: ETag
    last_modified: datetime
    checksum_algorithm: ChecksumAlgorithm | None
    checksum: str | None  # base64
