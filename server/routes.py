"""EVERY operation of S3 in one closed table: method, query and headers mean one operation.

A row reads (method, query, headers, operation); server/rules/routing.py says how it is matched. An
operation without a handler answers NotImplemented under its own name.

Source: S3 API reference; tests/conformance/test_routes.py asks botocore's model.
"""

from collections.abc import Sequence
from typing import Final

from server.operation import (
    BucketOperation,
    NewBucketOperation,
    ObjectOperation,
    ServiceOperation,
)
from server.operations.abort_multipart_upload import abort_multipart_upload
from server.operations.complete_multipart_upload import complete_multipart_upload
from server.operations.copy_object import copy_object
from server.operations.create_bucket import create_bucket
from server.operations.create_multipart_upload import create_multipart_upload
from server.operations.delete_bucket import delete_bucket
from server.operations.delete_object import delete_object
from server.operations.delete_object_tagging import delete_object_tagging
from server.operations.delete_objects import delete_objects
from server.operations.get_bucket_location import get_bucket_location
from server.operations.get_object import get_object
from server.operations.get_object_attributes import get_object_attributes
from server.operations.get_object_tagging import get_object_tagging
from server.operations.head_bucket import head_bucket
from server.operations.head_object import head_object
from server.operations.list_buckets import list_buckets
from server.operations.list_multipart_uploads import list_multipart_uploads
from server.operations.list_objects import list_objects
from server.operations.list_objects_v2 import list_objects_v2
from server.operations.list_parts import list_parts
from server.operations.put_object import put_object
from server.operations.put_object_tagging import put_object_tagging
from server.operations.upload_part import upload_part
from server.operations.upload_part_copy import upload_part_copy
from server.rules.routing import Route, Table, sub_resources

# ListDirectoryBuckets without parameters differs from ListBuckets by what it is signed for alone.
_SERVICE: Final[Sequence[Route[ServiceOperation]]] = [
    ("GET", "", "", ServiceOperation("ListBuckets", list_buckets)),
    ("GET", "", "authorization~/s3express/aws4_request", ServiceOperation("ListDirectoryBuckets")),
    ("GET", "max-directory-buckets", "", ServiceOperation("ListDirectoryBuckets")),
    ("OPTIONS", "", "", ServiceOperation("PreflightRequest")),
]

# GetBucketLifecycle, PutBucketLifecycle, GetBucketNotification and PutBucketNotification are older
# names of requests below and have no rows. WriteGetObjectResponse names its route in the Host, so
# it looks like a request to a bucket, or to a key where hosts are buckets.
_BUCKET: Final[Sequence[Route[BucketOperation | NewBucketOperation]]] = [
    ("GET", "", "", BucketOperation("ListObjects", list_objects)),
    ("GET", "list-type=2", "", BucketOperation("ListObjectsV2", list_objects_v2)),
    ("HEAD", "", "", BucketOperation("HeadBucket", head_bucket)),
    ("PUT", "", "", NewBucketOperation("CreateBucket", create_bucket, reads_body=True)),
    ("POST", "", "", BucketOperation("PostObject")),
    (
        "POST",
        "",
        "x-amz-request-route&x-amz-request-token",
        BucketOperation("WriteGetObjectResponse"),
    ),
    ("DELETE", "", "", BucketOperation("DeleteBucket", delete_bucket)),
    ("OPTIONS", "", "", BucketOperation("PreflightRequest")),
    ("GET", "uploads", "", BucketOperation("ListMultipartUploads", list_multipart_uploads)),
    ("GET", "abac", "", BucketOperation("GetBucketAbac")),
    ("PUT", "abac", "", BucketOperation("PutBucketAbac")),
    ("GET", "accelerate", "", BucketOperation("GetBucketAccelerateConfiguration")),
    ("PUT", "accelerate", "", BucketOperation("PutBucketAccelerateConfiguration")),
    ("GET", "acl", "", BucketOperation("GetBucketAcl")),
    ("PUT", "acl", "", BucketOperation("PutBucketAcl")),
    ("GET", "analytics", "", BucketOperation("ListBucketAnalyticsConfigurations")),
    ("GET", "analytics&id", "", BucketOperation("GetBucketAnalyticsConfiguration")),
    ("PUT", "analytics", "", BucketOperation("PutBucketAnalyticsConfiguration")),
    ("DELETE", "analytics", "", BucketOperation("DeleteBucketAnalyticsConfiguration")),
    ("GET", "cors", "", BucketOperation("GetBucketCors")),
    ("PUT", "cors", "", BucketOperation("PutBucketCors")),
    ("DELETE", "cors", "", BucketOperation("DeleteBucketCors")),
    ("POST", "delete", "", BucketOperation("DeleteObjects", delete_objects, reads_body=True)),
    ("GET", "encryption", "", BucketOperation("GetBucketEncryption")),
    ("PUT", "encryption", "", BucketOperation("PutBucketEncryption")),
    ("DELETE", "encryption", "", BucketOperation("DeleteBucketEncryption")),
    (
        "GET",
        "intelligent-tiering",
        "",
        BucketOperation("ListBucketIntelligentTieringConfigurations"),
    ),
    (
        "GET",
        "intelligent-tiering&id",
        "",
        BucketOperation("GetBucketIntelligentTieringConfiguration"),
    ),
    ("PUT", "intelligent-tiering", "", BucketOperation("PutBucketIntelligentTieringConfiguration")),
    (
        "DELETE",
        "intelligent-tiering",
        "",
        BucketOperation("DeleteBucketIntelligentTieringConfiguration"),
    ),
    ("GET", "inventory", "", BucketOperation("ListBucketInventoryConfigurations")),
    ("GET", "inventory&id", "", BucketOperation("GetBucketInventoryConfiguration")),
    ("PUT", "inventory", "", BucketOperation("PutBucketInventoryConfiguration")),
    ("DELETE", "inventory", "", BucketOperation("DeleteBucketInventoryConfiguration")),
    ("GET", "lifecycle", "", BucketOperation("GetBucketLifecycleConfiguration")),
    ("PUT", "lifecycle", "", BucketOperation("PutBucketLifecycleConfiguration")),
    ("DELETE", "lifecycle", "", BucketOperation("DeleteBucketLifecycle")),
    ("GET", "location", "", BucketOperation("GetBucketLocation", get_bucket_location)),
    ("GET", "logging", "", BucketOperation("GetBucketLogging")),
    ("PUT", "logging", "", BucketOperation("PutBucketLogging")),
    (
        "PUT",
        "metadataAnnotationTable",
        "",
        BucketOperation("UpdateBucketMetadataAnnotationTableConfiguration"),
    ),
    ("GET", "metadataConfiguration", "", BucketOperation("GetBucketMetadataConfiguration")),
    ("POST", "metadataConfiguration", "", BucketOperation("CreateBucketMetadataConfiguration")),
    ("DELETE", "metadataConfiguration", "", BucketOperation("DeleteBucketMetadataConfiguration")),
    (
        "PUT",
        "metadataInventoryTable",
        "",
        BucketOperation("UpdateBucketMetadataInventoryTableConfiguration"),
    ),
    (
        "PUT",
        "metadataJournalTable",
        "",
        BucketOperation("UpdateBucketMetadataJournalTableConfiguration"),
    ),
    ("GET", "metadataTable", "", BucketOperation("GetBucketMetadataTableConfiguration")),
    ("POST", "metadataTable", "", BucketOperation("CreateBucketMetadataTableConfiguration")),
    ("DELETE", "metadataTable", "", BucketOperation("DeleteBucketMetadataTableConfiguration")),
    ("GET", "metrics", "", BucketOperation("ListBucketMetricsConfigurations")),
    ("GET", "metrics&id", "", BucketOperation("GetBucketMetricsConfiguration")),
    ("PUT", "metrics", "", BucketOperation("PutBucketMetricsConfiguration")),
    ("DELETE", "metrics", "", BucketOperation("DeleteBucketMetricsConfiguration")),
    ("GET", "notification", "", BucketOperation("GetBucketNotificationConfiguration")),
    ("PUT", "notification", "", BucketOperation("PutBucketNotificationConfiguration")),
    ("GET", "object-lock", "", BucketOperation("GetObjectLockConfiguration")),
    ("PUT", "object-lock", "", BucketOperation("PutObjectLockConfiguration")),
    ("GET", "ownershipControls", "", BucketOperation("GetBucketOwnershipControls")),
    ("PUT", "ownershipControls", "", BucketOperation("PutBucketOwnershipControls")),
    ("DELETE", "ownershipControls", "", BucketOperation("DeleteBucketOwnershipControls")),
    ("GET", "policy", "", BucketOperation("GetBucketPolicy")),
    ("PUT", "policy", "", BucketOperation("PutBucketPolicy")),
    ("DELETE", "policy", "", BucketOperation("DeleteBucketPolicy")),
    ("GET", "policyStatus", "", BucketOperation("GetBucketPolicyStatus")),
    ("GET", "publicAccessBlock", "", BucketOperation("GetPublicAccessBlock")),
    ("PUT", "publicAccessBlock", "", BucketOperation("PutPublicAccessBlock")),
    ("DELETE", "publicAccessBlock", "", BucketOperation("DeletePublicAccessBlock")),
    ("GET", "replication", "", BucketOperation("GetBucketReplication")),
    ("PUT", "replication", "", BucketOperation("PutBucketReplication")),
    ("DELETE", "replication", "", BucketOperation("DeleteBucketReplication")),
    ("GET", "requestPayment", "", BucketOperation("GetBucketRequestPayment")),
    ("PUT", "requestPayment", "", BucketOperation("PutBucketRequestPayment")),
    ("GET", "session", "", BucketOperation("CreateSession")),
    ("GET", "tagging", "", BucketOperation("GetBucketTagging")),
    ("PUT", "tagging", "", BucketOperation("PutBucketTagging")),
    ("DELETE", "tagging", "", BucketOperation("DeleteBucketTagging")),
    ("GET", "versioning", "", BucketOperation("GetBucketVersioning")),
    ("PUT", "versioning", "", BucketOperation("PutBucketVersioning")),
    ("GET", "versions", "", BucketOperation("ListObjectVersions")),
    ("GET", "website", "", BucketOperation("GetBucketWebsite")),
    ("PUT", "website", "", BucketOperation("PutBucketWebsite")),
    ("DELETE", "website", "", BucketOperation("DeleteBucketWebsite")),
]

_OBJECT: Final[Sequence[Route[ObjectOperation]]] = [
    (
        "GET",
        "[partNumber]&[versionId]",
        "",
        ObjectOperation("GetObject", get_object, checks_revision=True),
    ),
    (
        "HEAD",
        "[partNumber]&[versionId]",
        "",
        ObjectOperation("HeadObject", head_object, checks_revision=True),
    ),
    (
        "PUT",
        "",
        "",
        ObjectOperation(
            "PutObject", put_object, checks_revision=True, reads_body=True, streams_body=True
        ),
    ),
    ("PUT", "", "x-amz-copy-source", ObjectOperation("CopyObject", copy_object)),
    (
        "POST",
        "",
        "x-amz-request-route&x-amz-request-token",
        ObjectOperation("WriteGetObjectResponse"),
    ),
    (
        "DELETE",
        "[versionId]",
        "",
        ObjectOperation("DeleteObject", delete_object, checks_revision=True),
    ),
    ("OPTIONS", "", "", ObjectOperation("PreflightRequest")),
    ("GET", "uploadId", "", ObjectOperation("ListParts", list_parts)),
    (
        "PUT",
        "partNumber&uploadId",
        "",
        ObjectOperation("UploadPart", upload_part, reads_body=True, streams_body=True),
    ),
    (
        "PUT",
        "partNumber&uploadId",
        "x-amz-copy-source",
        ObjectOperation("UploadPartCopy", upload_part_copy),
    ),
    (
        "POST",
        "uploadId",
        "",
        ObjectOperation(
            "CompleteMultipartUpload",
            complete_multipart_upload,
            reads_body=True,
            states_object_checksum=True,
        ),
    ),
    ("POST", "uploads", "", ObjectOperation("CreateMultipartUpload", create_multipart_upload)),
    ("DELETE", "uploadId", "", ObjectOperation("AbortMultipartUpload", abort_multipart_upload)),
    ("GET", "acl&[versionId]", "", ObjectOperation("GetObjectAcl")),
    ("PUT", "acl&[versionId]", "", ObjectOperation("PutObjectAcl")),
    ("GET", "annotation&[versionId]", "", ObjectOperation("ListObjectAnnotations")),
    ("GET", "annotation&annotationName&[versionId]", "", ObjectOperation("GetObjectAnnotation")),
    ("PUT", "annotation&[annotationName]&[versionId]", "", ObjectOperation("PutObjectAnnotation")),
    (
        "DELETE",
        "annotation&[annotationName]&[versionId]",
        "",
        ObjectOperation("DeleteObjectAnnotation"),
    ),
    (
        "GET",
        "attributes&[versionId]",
        "",
        ObjectOperation("GetObjectAttributes", get_object_attributes),
    ),
    ("PUT", "encryption&[versionId]", "", ObjectOperation("UpdateObjectEncryption")),
    ("GET", "legal-hold&[versionId]", "", ObjectOperation("GetObjectLegalHold")),
    ("PUT", "legal-hold&[versionId]", "", ObjectOperation("PutObjectLegalHold")),
    ("PUT", "renameObject", "", ObjectOperation("RenameObject")),
    ("POST", "restore&[versionId]", "", ObjectOperation("RestoreObject")),
    ("GET", "retention&[versionId]", "", ObjectOperation("GetObjectRetention")),
    ("PUT", "retention&[versionId]", "", ObjectOperation("PutObjectRetention")),
    ("POST", "select", "", ObjectOperation("SelectObjectContent")),
    (
        "GET",
        "tagging&[versionId]",
        "",
        ObjectOperation("GetObjectTagging", get_object_tagging, checks_revision=True),
    ),
    (
        "PUT",
        "tagging&[versionId]",
        "",
        ObjectOperation(
            "PutObjectTagging", put_object_tagging, checks_revision=True, reads_body=True
        ),
    ),
    (
        "DELETE",
        "tagging&[versionId]",
        "",
        ObjectOperation("DeleteObjectTagging", delete_object_tagging, checks_revision=True),
    ),
    ("GET", "torrent", "", ObjectOperation("GetObjectTorrent")),
]

# Closed over all three: ?versioning decides nothing for a key, and still a key never ignores it.
SUB_RESOURCES: Final = sub_resources(_SERVICE, _BUCKET, _OBJECT)

SERVICE: Final = Table("SERVICE", _SERVICE, SUB_RESOURCES)
BUCKET: Final = Table("BUCKET", _BUCKET, SUB_RESOURCES)
OBJECT: Final = Table("OBJECT", _OBJECT, SUB_RESOURCES)
