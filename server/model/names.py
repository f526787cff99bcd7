"""The names of S3, each its own type, so that a bucket cannot be passed where a key belongs."""

from typing import NewType

BucketName = NewType("BucketName", str)
# Decoded from UTF-8, 1 to 1,024 bytes when encoded, no NUL.
ObjectKey = NewType("ObjectKey", str)
# "null" for an object that was written without versioning.
VersionId = NewType("VersionId", str)
UploadId = NewType("UploadId", str)
# Unquoted: MD5 in lower-case hex, or "<md5 of md5s>-<parts>" after CompleteMultipartUpload.
ETag = NewType("ETag", str)
# SHA-256 of the whole blob, 32 bytes.
BlobDigest = NewType("BlobDigest", bytes)
AccessKeyId = NewType("AccessKeyId", str)
CanonicalId = NewType("CanonicalId", str)

NULL_VERSION = VersionId("null")
