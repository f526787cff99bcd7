"""Writing an object: how what was received, copied or completed becomes the current version.

What PutObject, UploadPart, CopyObject and CompleteMultipartUpload have in common.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from server.blobs.receiving import Received, ReceivedBlob, ReceivedInline
from server.errors import ErrorCode, S3Error
from server.metadata import blobs, object_versions, released
from server.metadata.connection import Connection
from server.model.blob import BlobBody, InlineBody, StoredBody
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.names import ETag
from server.model.object_version import ObjectContent
from server.operation import ObjectRequest, RequestBody, Stores
from server.rules.checksums import checksum_of
from server.rules.write_conditions import MustNotExist, WriteCondition, check_write_condition

# Locks, and makes durable, what the content names; runs in the transaction of the write.
Prepare = Callable[[Connection], Awaitable[None]]


def stored_body(received: Received) -> StoredBody:
    """Return how a received body is kept."""
    if isinstance(received, ReceivedInline):
        return InlineBody(received.data)
    return BlobBody(received.blob)


def checksum_of_received(received: Received, body: RequestBody) -> Checksum:
    """Return the checksum that is kept: the client's, or a CRC64NVME as S3 computes it."""
    algorithm = body.checksum_algorithm or ChecksumAlgorithm.CRC64NVME
    if isinstance(received, ReceivedInline) and body.checksum_algorithm is None:
        value = checksum_of(algorithm, received.data)
    else:
        value = received.digests.checksum(algorithm)
    return Checksum(algorithm, ChecksumType.FULL_OBJECT, value)


def checksum_headers(checksum: Checksum | None) -> Mapping[str, str]:
    """Return the headers that tell a writer the checksum of what it wrote."""
    if checksum is None:
        return {}
    return {
        checksum.algorithm.header: checksum.value,
        "x-amz-checksum-type": str(checksum.type),
    }


async def store_received(
    request: ObjectRequest,
    stores: Stores,
    content: ObjectContent,
    received: Received,
    condition: WriteCondition | None,
) -> None:
    """Make a received body the current version of the key; the context of `received` is open.

    Bytes first, row second: publish makes the blob durable under its name while its digest is
    locked, and the row commits in the same transaction. A crash between the two leaves a blob that
    no row names, which the sweep removes. The other order would leave an object without its bytes.

    Raises S3Error where the condition does not hold.
    """
    publish = None
    if isinstance(received, ReceivedBlob):
        publish = publisher(stores, received)
    if condition is None:
        await stores.metadata.put(
            request.bucket.id, request.key, content, request.grant, publish=publish
        )
        return

    async def change(conn: Connection) -> S3Error | None:
        if publish is not None and isinstance(content.body, BlobBody):
            await blobs.lock_for_writing(conn, [content.body.blob])
            await publish()
        try:
            await put_if(conn, request, content, condition)
        except S3Error as refusal:
            # Committed nevertheless: the file has its name by now, and needs a row to be swept.
            if isinstance(content.body, BlobBody):
                await released.release(conn, content.body.blob.digest)
            return refusal
        return None

    refusal = await stores.metadata.write(request.grant, request.bucket.id, change)
    if refusal is not None:
        raise refusal


async def store_prepared(
    request: ObjectRequest,
    stores: Stores,
    content: ObjectContent,
    prepare: Prepare,
    condition: WriteCondition | None,
) -> datetime:
    """Make the content the current version in a transaction that begins with `prepare`.

    Returns its time of modification. Raises S3Error where the condition does not hold, and what
    prepare raises.
    """

    async def change(conn: Connection) -> datetime:
        await prepare(conn)
        return await put_if(conn, request, content, condition)

    return await stores.metadata.write(request.grant, request.bucket.id, change)


async def put_if(
    conn: Connection,
    request: ObjectRequest,
    content: ObjectContent,
    condition: WriteCondition | None,
) -> datetime:
    """Make the content the current version, in the caller's transaction, if the condition holds."""
    bucket_id, key = request.bucket.id, request.key
    if condition is not None:
        current = await object_versions.lock_current(conn, bucket_id, key)
        etag: ETag | None = None if current is None else current.content.etag
        check_write_condition(condition, etag, key=key)
    if not isinstance(condition, MustNotExist):
        return await object_versions.put(conn, bucket_id, key, content)
    modified = await object_versions.put_new(conn, bucket_id, key, content)
    if modified is None:  # another writer was first, after the look at the key
        raise S3Error(ErrorCode.PreconditionFailed, Condition="If-None-Match")
    return modified


def publishing(stores: Stores, received: ReceivedBlob) -> Prepare:
    """Return what locks a staged blob and gives it its durable name.

    Nothing names an empty part's blob, which has no slices: it is not published then.
    """
    publish = publisher(stores, received)

    async def prepare(conn: Connection) -> None:
        if received.blob.size:
            await blobs.lock_for_writing(conn, [received.blob])
            await publish()

    return prepare


def publisher(stores: Stores, received: ReceivedBlob) -> Callable[[], Awaitable[None]]:
    """Return what gives a staged blob its durable name."""

    async def publish() -> None:
        await stores.blobs.publish([received])

    return publish
