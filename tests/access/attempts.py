"""One request of each kind, to be sent with credentials that are right or wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fix_s3 import Place, S3Client
from tests.signing import content_md5
from tests.wire import Answer

PLACES: tuple[Place, ...] = ("header", "query", "v2 header", "v2 query")
V4_PLACES: tuple[Place, ...] = ("header", "query")

DELETE = b"<Delete><Object><Key>key</Key></Object></Delete>"


@dataclass(frozen=True)
class Attempt:
    """A request to a bucket that holds the object "key". target: what follows the bucket's name."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    async def send(
        self, client: S3Client, bucket: str, content_sha256: str | None = None
    ) -> Answer:
        """Send it; content_sha256: what to claim instead of what the client would."""
        return await client.request(
            self.method,
            f"/{bucket}{self.target}",
            headers={name: value.format(bucket=bucket) for name, value in self.headers.items()},
            body=self.body,
            content_sha256=content_sha256,
        )


OPERATIONS = {
    "PutObject": Attempt("PUT", "/key", body=b"body"),
    "DeleteObjects": Attempt("POST", "?delete", {"Content-MD5": content_md5(DELETE)}, DELETE),
    "CreateBucket": Attempt("PUT", "-more", body=b""),
    "DeleteObject": Attempt("DELETE", "/key"),
    "GetObject": Attempt("GET", "/key"),
    "ListObjectsV2": Attempt("GET", "?list-type=2"),
    "CopyObject": Attempt("PUT", "/copy", {"x-amz-copy-source": "{bucket}/key"}),
    "CreateMultipartUpload": Attempt("POST", "/copy?uploads", body=b""),
}


async def upload_target(s3: S3Client, bucket: str, operation: str) -> str:
    """Return where PutObject, or UploadPart of an upload just begun, sends its body."""
    if operation == "PutObject":
        return f"/{bucket}/key"
    begun = await s3.post(f"/{bucket}/key?uploads")
    return f"/{bucket}/key?partNumber=1&uploadId={begun.texts('UploadId')[0]}"
