"""Every builder of a document of S3, and what to try it with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from server.model.bucket import Account, Bucket
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.listing import ListedObject, ListedUpload
from server.model.multipart_upload import Part
from server.model.names import BucketName, CanonicalId, ETag, ObjectKey, UploadId
from tests.conformance import document_members as read
from xml_responses import buckets, copies, deletes, listings, multipart, object_attributes, tagging

# What XML 1.0 has no spelling for, and so no parser of a client reads.
FORBIDDEN = "".join(map(chr, [*range(0x9), 0xB, 0xC, *range(0xE, 0x20), 0xFFFE, 0xFFFF]))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters=FORBIDDEN), max_size=20)
KEYS = TEXT.filter(bool)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 10**14).map(lambda millis: EPOCH + timedelta(milliseconds=millis))
SIZES = st.integers(0, 5 * 2**40)
NUMBERS = st.integers(0, 10_000)
ETAGS = st.from_regex("[0-9a-f]{32}(-[1-9][0-9]{0,3})?", fullmatch=True)
BASE64 = st.from_regex("[A-Za-z0-9+/]{6}==", fullmatch=True)
ALGORITHMS = st.sampled_from(ChecksumAlgorithm)
TYPES = st.sampled_from(ChecksumType)
OWNERS = st.builds(
    Account,
    id=st.just(1),
    canonical_id=st.from_regex("[0-9a-f]{64}", fullmatch=True).map(CanonicalId),
    name=TEXT,
    email=st.none(),
    created=MOMENTS,
)
CHECKSUMS = st.builds(Checksum, ALGORITHMS, TYPES, BASE64)
OBJECTS = st.builds(
    ListedObject,
    key=KEYS.map(ObjectKey),
    last_modified=MOMENTS,
    etag=ETAGS.map(ETag),
    size=SIZES,
    storage_class=st.just("STANDARD"),
    checksum_algorithm=st.none() | ALGORITHMS,
    checksum_type=st.none() | TYPES,
)
UPLOADS = st.builds(
    ListedUpload,
    key=KEYS.map(ObjectKey),
    upload_id=KEYS.map(UploadId),
    initiated=MOMENTS,
    storage_class=st.just("STANDARD_IA"),
    checksum_algorithm=st.none() | ALGORITHMS,
    checksum_type=st.none() | TYPES,
)
PARTS = st.builds(
    Part,
    number=NUMBERS,
    size=SIZES,
    etag=ETAGS.map(ETag),
    last_modified=MOMENTS,
    checksum_algorithm=st.none() | ALGORITHMS,
    checksum=BASE64,
)
BUCKETS = st.builds(
    Bucket,
    id=st.just(1),
    name=KEYS.map(BucketName),
    account_id=st.just(1),
    region=KEYS,
    created=MOMENTS,
)
DELETED = st.builds(
    deletes.Deleted,
    key=KEYS,
    version_id=st.none() | KEYS,
    delete_marker_version_id=st.none() | KEYS,
)
NOT_DELETED = st.builds(
    deletes.NotDeleted, key=KEYS, version_id=st.none() | KEYS, code=KEYS, message=TEXT
)
PAGES = st.builds(
    object_attributes.PartsPage,
    part_number_marker=NUMBERS,
    next_part_number_marker=st.none() | NUMBERS,
    max_parts=NUMBERS,
    is_truncated=st.booleans(),
    parts=st.lists(PARTS, max_size=3),
)
OBJECT_PARTS = st.builds(
    object_attributes.ObjectParts,
    total=NUMBERS,
    page=st.none() | PAGES,
)
TAGS = st.builds(tagging.Tag, key=KEYS, value=TEXT)


@dataclass(frozen=True)
class Document:
    """One builder: what it is called with, and what botocore then reads."""

    operation: str
    build: Callable[..., bytes]
    read: Callable[..., dict[str, Any]]
    members: dict[str, st.SearchStrategy[Any]]


DOCUMENTS = [
    Document(
        "ListBuckets",
        buckets.list_all_my_buckets_result,
        read.list_buckets,
        {
            "owner": OWNERS,
            "buckets": st.lists(BUCKETS, max_size=3),
            "prefix": st.none() | TEXT,
            "continuation_token": st.none() | TEXT,
        },
    ),
    Document(
        "ListObjects",
        listings.list_bucket_result,
        read.list_objects,
        {
            "name": KEYS,
            "prefix": TEXT,
            "marker": TEXT,
            "next_marker": st.none() | KEYS,
            "max_keys": NUMBERS,
            "delimiter": st.none() | TEXT,
            "encoding_type": st.none(),
            "is_truncated": st.booleans(),
            "contents": st.lists(OBJECTS, max_size=3),
            "common_prefixes": st.lists(KEYS, max_size=3),
            "owner": OWNERS,
        },
    ),
    Document(
        "ListObjectsV2",
        listings.list_bucket_result_v2,
        read.list_objects_v2,
        {
            "name": KEYS,
            "prefix": TEXT,
            "start_after": st.none() | TEXT,
            "continuation_token": st.none() | TEXT,
            "next_continuation_token": st.none() | TEXT,
            "max_keys": NUMBERS,
            "delimiter": st.none() | TEXT,
            "encoding_type": st.none(),
            "is_truncated": st.booleans(),
            "contents": st.lists(OBJECTS, max_size=3),
            "common_prefixes": st.lists(KEYS, max_size=3),
            "owner": st.none() | OWNERS,
        },
    ),
    Document(
        "CopyObject",
        copies.copy_object_result,
        read.copy_object,
        {"last_modified": MOMENTS, "etag": ETAGS, "checksum": st.none() | CHECKSUMS},
    ),
    Document(
        "UploadPartCopy",
        copies.copy_part_result,
        read.upload_part_copy,
        {
            "last_modified": MOMENTS,
            "etag": ETAGS,
            "checksum_algorithm": ALGORITHMS,
            "checksum": BASE64,
        },
    ),
    Document(
        "DeleteObjects",
        deletes.delete_result,
        read.delete_objects,
        {"deleted": st.lists(DELETED, max_size=3), "errors": st.lists(NOT_DELETED, max_size=3)},
    ),
    Document(
        "CreateMultipartUpload",
        multipart.initiate_multipart_upload_result,
        read.create_multipart_upload,
        {"bucket": KEYS, "key": KEYS, "upload_id": KEYS},
    ),
    Document(
        "CompleteMultipartUpload",
        multipart.complete_multipart_upload_result,
        read.complete_multipart_upload,
        {
            "location": KEYS,
            "bucket": KEYS,
            "key": KEYS,
            "etag": ETAGS,
            "checksum": st.none() | CHECKSUMS,
        },
    ),
    Document(
        "ListParts",
        multipart.list_parts_result,
        read.list_parts,
        {
            "bucket": KEYS,
            "key": KEYS,
            "upload_id": KEYS,
            "initiator": OWNERS,
            "owner": OWNERS,
            "storage_class": st.just("STANDARD"),
            "checksum_algorithm": st.none() | ALGORITHMS,
            "checksum_type": st.none() | TYPES,
            "part_number_marker": NUMBERS,
            "next_part_number_marker": st.none() | NUMBERS,
            "max_parts": NUMBERS,
            "is_truncated": st.booleans(),
            "parts": st.lists(PARTS, max_size=3),
        },
    ),
    Document(
        "ListMultipartUploads",
        multipart.list_multipart_uploads_result,
        read.list_multipart_uploads,
        {
            "bucket": KEYS,
            "key_marker": TEXT,
            "upload_id_marker": TEXT,
            "next_key_marker": st.none() | KEYS,
            "next_upload_id_marker": st.none() | KEYS,
            "delimiter": st.none() | TEXT,
            "prefix": st.none() | TEXT,
            "encoding_type": st.none(),
            "max_uploads": NUMBERS,
            "is_truncated": st.booleans(),
            "uploads": st.lists(UPLOADS, max_size=3),
            "common_prefixes": st.lists(KEYS, max_size=3),
            "owner": OWNERS,
        },
    ),
    Document(
        "GetObjectAttributes",
        object_attributes.get_object_attributes_response,
        read.get_object_attributes,
        {
            "etag": st.none() | ETAGS,
            "checksum": st.none() | CHECKSUMS,
            "object_parts": st.none() | OBJECT_PARTS,
            "storage_class": st.none() | st.just("STANDARD"),
            "object_size": st.none() | SIZES,
        },
    ),
    Document(
        "GetObjectTagging",
        tagging.tagging,
        read.tagging,
        {"tags": st.lists(TAGS, max_size=3)},
    ),
]
