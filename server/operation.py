"""The seam between HTTP and S3: what an operation is given, and what it gives back.

An operation is one async function from a request and the stores to a reply. The type of the
request says how much is known: a BucketRequest was authenticated, its bucket exists and the caller
may do to it what the operation's action names. So an operation cannot forget to ask.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import field
from typing import Protocol

from server.access.grant import Grant
from server.blobs.store import BlobStore
from server.metadata.store import Metadata
from server.model.bucket import Account, Bucket
from server.model.checksum import ChecksumAlgorithm
from server.model.names import BucketName, ObjectKey
from server.model.value import value
from server.rules.checksums import BodyDigests


class RequestBody(Protocol):
    """The body of a request, on its way in; read at most once.

    Decoded and unframed; `verify` raises S3Error where the bytes are not what the client announced
    or signed. Whatever stores a body calls it before publishing anything (invariant D4).
    """

    length: int | None  # decoded bytes announced; None when unknown
    # By which the client checks the body; where it does not, an operation may ask for one.
    checksum_algorithm: ChecksumAlgorithm | None
    compares_sha256: bool  # whether verify looks at the SHA-256

    def arrived(self, limit: int) -> bytes | None: ...

    def pieces(self) -> AsyncIterator[bytes]: ...

    def verify(self, digests: BodyDigests) -> None: ...

    async def document(self, limit: int) -> bytes:
        """Return the whole verified body; MaxMessageLengthExceeded above limit bytes."""


@value(kw_only=True)
class S3Request:
    """A request whose sender is known."""

    id: str  # x-amz-request-id
    method: str
    headers: Mapping[str, str]  # names in lower case, repeated headers joined with ","
    query: Mapping[str, str]  # percent-decoded once
    address_url: str  # of the bucket, as the client addressed it: "http://localhost:9000/photos"
    account: Account
    grant: Grant
    body: RequestBody


@value(kw_only=True)
class NewBucketRequest(S3Request):
    """A request that names a bucket which need not exist."""

    bucket_name: BucketName


@value(kw_only=True)
class BucketRequest(S3Request):
    """A request to a bucket that exists and that the caller may use so."""

    @property
    def bucket(self) -> Bucket:
        """Return the bucket, as it was when the request was last found to be allowed."""
        assert self.grant.bucket is not None, "decided for an operation on a bucket"
        return self.grant.bucket


@value(kw_only=True)
class ObjectRequest(BucketRequest):
    """A request to a key of such a bucket."""

    key: ObjectKey


@value()
class Stream:
    """A body that is sent as it is read; every block was verified before it is yielded (D9).

    It holds an open file from the beginning: whoever has it closes it, read or not.
    """

    length: int  # bytes, exactly what the iterator yields
    pieces: AsyncIterator[bytes | memoryview]
    close: Callable[[], Awaitable[None]]


@value(kw_only=True)
class S3Reply:
    """What an operation answers. content_length: of a HEAD, which sends no body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Stream = b""
    content_length: int | None = None


@value()
class Stores:
    """All state of the server, and the limits that operations keep."""

    metadata: Metadata
    blobs: BlobStore
    region: str


@value()
class ServiceOperation:
    """An operation on the service itself. Without a handler it answers NotImplemented."""

    name: str
    handler: Callable[[S3Request, Stores], Awaitable[S3Reply]] | None = None


@value()
class NewBucketOperation:
    """CreateBucket: the bucket need not exist. reads_body: see ObjectOperation."""

    name: str
    handler: Callable[[NewBucketRequest, Stores], Awaitable[S3Reply]] | None = None
    reads_body: bool = False


@value()
class BucketOperation:
    """An operation on a bucket that must exist. reads_body: see ObjectOperation."""

    name: str
    handler: Callable[[BucketRequest, Stores], Awaitable[S3Reply]] | None = None
    reads_body: bool = False


@value()
class ObjectOperation:
    """An operation on a key of a bucket that must exist.

    checks_revision: every store call of the handler carries the revision that the grant was decided
        under, so the decision may come from the cache. Where it is False the cache is brought up to
        date before the decision: one more round trip, and nothing to remember.
    reads_body: the handler verifies the body. Where it is False a body whose hash was signed was
        read, held to it and dropped before; another is left unread.
    streams_body: the body may be aws-chunked; elsewhere S3 refuses the streaming payload modes.
    states_object_checksum: a checksum in a header is that of the object which the request makes,
        not that of its body.
    """

    name: str
    handler: Callable[[ObjectRequest, Stores], Awaitable[S3Reply]] | None = None
    checks_revision: bool = False
    reads_body: bool = False
    streams_body: bool = False
    states_object_checksum: bool = False


Operation = ServiceOperation | NewBucketOperation | BucketOperation | ObjectOperation
