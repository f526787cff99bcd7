"""Every header and query name that botocore may send to an operation in scope, and its fate.

A new botocore that has one more fails here until somebody decides.
"""

import pytest
from botocore.exceptions import ClientError

from tests.fix_botocore import required_members, required_value, s3_service_model
from tests.fix_clients import Boto

pytestmark = pytest.mark.conformance

MODEL = s3_service_model()

READ = "read"
REFUSED = "refused"
NO_ARCHIVE = "ignored: no object is ever archived, so there is no restore status"
NO_CHARGES = "ignored: nobody is charged, so nobody has to agree to it"

WRITES = "PutObject CopyObject CreateMultipartUpload"
READS = "GetObject HeadObject"
COPIES = "CopyObject UploadPartCopy"
LISTINGS = "ListObjects ListObjectsV2 ListMultipartUploads"
DIGESTS = "PutObject UploadPart CompleteMultipartUpload"
OF_A_KEY = (
    "PutObject GetObject HeadObject DeleteObject CopyObject GetObjectAttributes"
    " CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload"
    " ListParts"
)
TAGGING = "GetObjectTagging PutObjectTagging DeleteObjectTagging"
CUSTOMER_KEYS = (
    "PutObject GetObject HeadObject CopyObject GetObjectAttributes CreateMultipartUpload UploadPart"
    " UploadPartCopy CompleteMultipartUpload ListParts"
)

# Name → what becomes of it, and the operations that have it.
HEADERS = {
    "Cache-Control": (READ, WRITES),
    "Content-Disposition": (READ, WRITES),
    "Content-Encoding": (READ, WRITES),
    "Content-Language": (READ, WRITES),
    "Content-Length": (READ, "PutObject UploadPart"),
    "Content-MD5": (READ, "PutObject UploadPart PutObjectTagging"),
    "Content-Type": (READ, WRITES),
    "Expires": (READ, WRITES),
    "If-Match": (READ, f"{READS} PutObject CopyObject CompleteMultipartUpload DeleteObject"),
    "If-Modified-Since": (READ, READS),
    "If-None-Match": (READ, f"{READS} PutObject CopyObject CompleteMultipartUpload"),
    "If-Unmodified-Since": (READ, READS),
    "Range": (READ, READS),
    # The values that say what holds anyway; the others are refused.
    "x-amz-acl": (READ, f"{WRITES} CreateBucket"),
    "x-amz-bucket-namespace": (REFUSED, "CreateBucket"),
    "x-amz-bucket-object-lock-enabled": (REFUSED, "CreateBucket"),
    "x-amz-bypass-governance-retention": (REFUSED, "DeleteObject DeleteObjects"),
    "x-amz-checksum-algorithm": (READ, "CopyObject CreateMultipartUpload"),
    "x-amz-checksum-crc32": (READ, DIGESTS),
    "x-amz-checksum-crc32c": (READ, DIGESTS),
    "x-amz-checksum-crc64nvme": (READ, DIGESTS),
    "x-amz-checksum-md5": (REFUSED, DIGESTS),
    "x-amz-checksum-mode": (READ, READS),
    "x-amz-checksum-sha1": (READ, DIGESTS),
    "x-amz-checksum-sha256": (READ, DIGESTS),
    "x-amz-checksum-sha512": (REFUSED, DIGESTS),
    "x-amz-checksum-type": (READ, "CreateMultipartUpload CompleteMultipartUpload"),
    "x-amz-checksum-xxhash128": (REFUSED, DIGESTS),
    "x-amz-checksum-xxhash3": (REFUSED, DIGESTS),
    "x-amz-checksum-xxhash64": (REFUSED, DIGESTS),
    "x-amz-copy-source": (READ, COPIES),
    "x-amz-copy-source-if-match": (READ, COPIES),
    "x-amz-copy-source-if-modified-since": (READ, COPIES),
    "x-amz-copy-source-if-none-match": (READ, COPIES),
    "x-amz-copy-source-if-unmodified-since": (READ, COPIES),
    "x-amz-copy-source-range": (READ, "UploadPartCopy"),
    "x-amz-copy-source-server-side-encryption-customer-algorithm": (REFUSED, COPIES),
    "x-amz-copy-source-server-side-encryption-customer-key": (REFUSED, COPIES),
    "x-amz-copy-source-server-side-encryption-customer-key-MD5": (REFUSED, COPIES),
    "x-amz-expected-bucket-owner": (
        READ,
        f"{OF_A_KEY} {TAGGING} {LISTINGS} HeadBucket DeleteBucket GetBucketLocation DeleteObjects",
    ),
    "x-amz-grant-full-control": (REFUSED, f"{WRITES} CreateBucket"),
    "x-amz-grant-read": (REFUSED, f"{WRITES} CreateBucket"),
    "x-amz-grant-read-acp": (REFUSED, f"{WRITES} CreateBucket"),
    "x-amz-grant-write": (REFUSED, "CreateBucket"),
    "x-amz-grant-write-acp": (REFUSED, f"{WRITES} CreateBucket"),
    "x-amz-if-match-initiated-time": (READ, "AbortMultipartUpload"),
    "x-amz-if-match-last-modified-time": (READ, "DeleteObject"),
    "x-amz-if-match-size": (READ, "DeleteObject"),
    "x-amz-max-parts": (READ, "GetObjectAttributes"),
    "x-amz-meta-": (READ, WRITES),
    "x-amz-metadata-directive": (READ, "CopyObject"),
    "x-amz-mfa": (REFUSED, "DeleteObject DeleteObjects"),
    "x-amz-mp-object-size": (READ, "CompleteMultipartUpload"),
    "x-amz-object-annotation-directive": (REFUSED, "CopyObject"),
    "x-amz-object-attributes": (READ, "GetObjectAttributes"),
    "x-amz-object-lock-event-hold": (REFUSED, WRITES),
    "x-amz-object-lock-event-hold-duration-days": (REFUSED, WRITES),
    "x-amz-object-lock-event-hold-duration-years": (REFUSED, WRITES),
    "x-amz-object-lock-legal-hold": (REFUSED, WRITES),
    "x-amz-object-lock-mode": (REFUSED, WRITES),
    "x-amz-object-lock-retain-until-date": (REFUSED, WRITES),
    "x-amz-object-ownership": (REFUSED, "CreateBucket"),
    "x-amz-optional-object-attributes": (NO_ARCHIVE, "ListObjects ListObjectsV2"),
    "x-amz-part-number-marker": (READ, "GetObjectAttributes"),
    "x-amz-request-payer": (
        NO_CHARGES,
        f"{OF_A_KEY} {LISTINGS} DeleteObjects GetObjectTagging PutObjectTagging",
    ),
    "x-amz-sdk-checksum-algorithm": (
        READ,
        "PutObject UploadPart DeleteObjects PutObjectTagging",
    ),
    "x-amz-server-side-encryption": (REFUSED, WRITES),
    "x-amz-server-side-encryption-aws-kms-key-id": (REFUSED, WRITES),
    "x-amz-server-side-encryption-bucket-key-enabled": (REFUSED, WRITES),
    "x-amz-server-side-encryption-context": (REFUSED, WRITES),
    "x-amz-server-side-encryption-customer-algorithm": (REFUSED, CUSTOMER_KEYS),
    "x-amz-server-side-encryption-customer-key": (REFUSED, CUSTOMER_KEYS),
    "x-amz-server-side-encryption-customer-key-MD5": (REFUSED, CUSTOMER_KEYS),
    "x-amz-source-expected-bucket-owner": (READ, COPIES),
    "x-amz-storage-class": (READ, WRITES),
    "x-amz-tagging": (READ, WRITES),
    "x-amz-tagging-directive": (READ, "CopyObject"),
    "x-amz-website-redirect-location": (READ, WRITES),
    "x-amz-write-offset-bytes": (REFUSED, "PutObject"),
}
QUERY = {
    "bucket-region": (READ, "ListBuckets"),
    "continuation-token": (READ, "ListBuckets ListObjectsV2"),
    "delimiter": (READ, LISTINGS),
    "encoding-type": (READ, LISTINGS),
    "fetch-owner": (READ, "ListObjectsV2"),
    "key-marker": (READ, "ListMultipartUploads"),
    "marker": (READ, "ListObjects"),
    "max-buckets": (READ, "ListBuckets"),
    "max-keys": (READ, "ListObjects ListObjectsV2"),
    "max-parts": (READ, "ListParts"),
    "max-uploads": (READ, "ListMultipartUploads"),
    "part-number-marker": (READ, "ListParts"),
    "partNumber": (READ, f"{READS} UploadPart UploadPartCopy"),
    "prefix": (READ, f"{LISTINGS} ListBuckets"),
    "response-cache-control": (READ, READS),
    "response-content-disposition": (READ, READS),
    "response-content-encoding": (READ, READS),
    "response-content-language": (READ, READS),
    "response-content-type": (READ, READS),
    "response-expires": (READ, READS),
    "start-after": (READ, "ListObjectsV2"),
    "upload-id-marker": (READ, "ListMultipartUploads"),
    "uploadId": (
        READ,
        "UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload ListParts",
    ),
    "versionId": (READ, f"{READS} DeleteObject GetObjectAttributes {TAGGING}"),
}
DECIDED = HEADERS | QUERY

IN_SCOPE = sorted(
    f"{OF_A_KEY} {TAGGING} {LISTINGS} ListBuckets CreateBucket HeadBucket DeleteBucket"
    " GetBucketLocation DeleteObjects".split()
)


def members_of(name: str) -> set[str]:
    shape = MODEL.operation_model(name).input_shape
    members = shape.members.values() if shape else ()
    return {
        member.serialization["name"]
        for member in members
        if member.serialization.get("location") in ("header", "headers", "querystring")
    }


@pytest.mark.parametrize("name", IN_SCOPE)
def test_every_member_of_the_operation_is_read_or_refused_or_ignored_for_a_reason(
    name: str,
) -> None:
    decided = {member for member, (_, operations) in DECIDED.items() if name in operations.split()}

    assert decided == members_of(name)


def refused_members() -> list[tuple[str, str]]:
    """Return (operation, member) for all that is refused; the member in botocore's own spelling."""
    return [
        (name, member)
        for name in IN_SCOPE
        for member, shape in MODEL.operation_model(name).input_shape.members.items()
        if DECIDED.get(shape.serialization.get("name"), (READ,))[0] == REFUSED
    ]


@pytest.mark.parametrize(("name", "member"), refused_members())
def test_a_member_that_is_refused_ends_the_request(
    boto: Boto, bucket: str, name: str, member: str
) -> None:
    """An answer of success would say that the object is encrypted, locked or tagged."""
    client = boto.client()
    client.put_object(Bucket=bucket, Key="key", Body=b"body")
    upload = client.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    operation = MODEL.operation_model(name)
    given = {
        "Bucket": f"{bucket}-other" if name == "CreateBucket" else bucket,
        "Key": "key",
        "UploadId": upload,
        "CopySource": f"{bucket}/key",
        "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]},
    }
    members = required_members(operation) | {
        known: value for known, value in given.items() if known in operation.input_shape.members
    }
    members[member] = required_value(operation.input_shape.members[member])

    with pytest.raises(ClientError) as refused:
        client._make_api_call(name, members)

    # The answer to a HEAD has no document, so botocore makes its code of the status.
    codes = {"NotImplemented", "501", "InvalidRequest", "InvalidArgument"}
    assert refused.value.response["Error"]["Code"] in codes
