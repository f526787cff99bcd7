"""An input for each builder of a document that leaves no member out."""

from datetime import UTC, datetime
from typing import Any

from server.model.bucket import Account, Bucket
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.listing import ListedObject, ListedUpload
from server.model.multipart_upload import Part
from server.model.names import BucketName, CanonicalId, ETag, ObjectKey, UploadId
from xml_responses.deletes import Deleted, NotDeleted
from xml_responses.object_attributes import ObjectParts, PartsPage
from xml_responses.tagging import Tag

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
OWNER = Account(1, CanonicalId("75aa57f0"), "mtd", None, MOMENT)
CHECKSUM = Checksum(ChecksumAlgorithm.SHA256, ChecksumType.COMPOSITE, "AAAA-1")
PART = Part(1, 2, ETag("etag"), MOMENT, ChecksumAlgorithm.SHA256, "AAAA")
OBJECT = ListedObject(
    key=ObjectKey("key"),
    last_modified=MOMENT,
    etag=ETag("etag"),
    size=1,
    storage_class="STANDARD",
    checksum_algorithm=ChecksumAlgorithm.SHA256,
    checksum_type=ChecksumType.COMPOSITE,
)
UPLOAD = ListedUpload(
    key=ObjectKey("key"),
    upload_id=UploadId("upload"),
    initiated=MOMENT,
    storage_class="STANDARD",
    checksum_algorithm=ChecksumAlgorithm.SHA256,
    checksum_type=ChecksumType.COMPOSITE,
)
LISTING = {
    "name": "bucket",
    "prefix": "prefix",
    "max_keys": 1,
    "delimiter": "/",
    "encoding_type": "url",
    "is_truncated": True,
    "contents": [OBJECT],
    "common_prefixes": ["prefix/"],
    "owner": OWNER,
}
FULL: dict[str, dict[str, Any]] = {
    "ListBuckets": {
        "owner": OWNER,
        "buckets": [Bucket(1, BucketName("bucket"), 1, "us-east-1", MOMENT)],
        "prefix": "prefix",
        "continuation_token": "token",
    },
    "ListObjects": LISTING | {"marker": "marker", "next_marker": "next"},
    "ListObjectsV2": LISTING
    | {
        "start_after": "start",
        "continuation_token": "token",
        "next_continuation_token": "next",
    },
    "CopyObject": {"last_modified": MOMENT, "etag": "etag", "checksum": CHECKSUM},
    "UploadPartCopy": {
        "last_modified": MOMENT,
        "etag": "etag",
        "checksum_algorithm": "SHA256",
        "checksum": "AAAA",
    },
    "DeleteObjects": {
        "deleted": [Deleted(key="key", version_id="v1", delete_marker_version_id="v2")],
        "errors": [NotDeleted(key="key", version_id="v1", code="Code", message="message")],
    },
    "CreateMultipartUpload": {"bucket": "bucket", "key": "key", "upload_id": "upload"},
    "CompleteMultipartUpload": {
        "location": "http://localhost/bucket/key",
        "bucket": "bucket",
        "key": "key",
        "etag": "etag",
        "checksum": CHECKSUM,
    },
    "ListParts": {
        "bucket": "bucket",
        "key": "key",
        "upload_id": "upload",
        "initiator": OWNER,
        "owner": OWNER,
        "storage_class": "STANDARD",
        "checksum_algorithm": "SHA256",
        "checksum_type": "COMPOSITE",
        "part_number_marker": 0,
        "next_part_number_marker": 1,
        "max_parts": 1,
        "is_truncated": True,
        "parts": [PART],
    },
    "ListMultipartUploads": {
        "bucket": "bucket",
        "key_marker": "key",
        "upload_id_marker": "upload",
        "next_key_marker": "next",
        "next_upload_id_marker": "upload",
        "delimiter": "/",
        "prefix": "prefix",
        "encoding_type": "url",
        "max_uploads": 1,
        "is_truncated": True,
        "uploads": [UPLOAD],
        "common_prefixes": ["prefix/"],
        "owner": OWNER,
    },
    "GetObjectAttributes": {
        "etag": "etag",
        "checksum": CHECKSUM,
        "object_parts": ObjectParts(
            total=1,
            page=PartsPage(
                part_number_marker=0,
                next_part_number_marker=1,
                max_parts=1,
                is_truncated=True,
                parts=[PART],
            ),
        ),
        "storage_class": "STANDARD",
        "object_size": 1,
    },
    "GetObjectTagging": {"tags": [Tag("key", "value")]},
}
