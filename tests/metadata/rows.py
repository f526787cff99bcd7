"""Rows as operations would make them, and the decision that lets them."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from server.metadata import accounts, blobs, buckets, multipart_uploads, object_versions
from server.metadata.connection import Connection
from server.metadata.store import Metadata
from server.model.blob import (
    BLOCK_BYTES,
    BLOCK_CRC_BYTES,
    Blob,
    BlobBody,
    InlineBody,
    ManifestBody,
    Slice,
    StoredBody,
)
from server.model.bucket import Bucket
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import BlobDigest, BucketName, CanonicalId, ETag, ObjectKey, UploadId
from server.model.object_version import ObjectContent
from server.rules.timestamps import whole_second


class Decision:
    """Allows everything under a revision. renewed: how often it was decided again."""

    def __init__(self, metadata: Metadata | None = None, revision: int = 0) -> None:
        self._metadata = metadata
        self.revision = revision
        self.renewed = 0

    async def renew(self, bucket_id: int) -> int:
        assert self._metadata is not None, "nobody changes settings meanwhile"
        self.revision = self._metadata.settings.revision
        self.renewed += 1
        return bucket_id


def content(body: StoredBody | bytes, *, etag: str | None = None) -> ObjectContent:
    """Return content with every field set, and an ETag that tells bodies apart."""
    stored = InlineBody(body) if isinstance(body, bytes) else body
    said = repr(stored).encode()
    return ObjectContent(
        body=stored,
        size=len(body) if isinstance(body, bytes) else 1,
        etag=ETag(etag or hashlib.md5(said, usedforsecurity=False).hexdigest()),
        storage_class="STANDARD",
        headers={"Content-Type": "text/plain"},
        user_metadata={"colour": "grün"},
        tags={"project": "blau"},
        checksum=Checksum(ChecksumAlgorithm.CRC32, ChecksumType.FULL_OBJECT, "AAAAAA=="),
    )


def blob(name: str, size: int = 5) -> Blob:
    """Return a blob that lies nowhere."""
    blocks = -(-size // BLOCK_BYTES)
    digest = BlobDigest(hashlib.sha256(name.encode()).digest())
    return Blob(digest, size, b"\x01" * BLOCK_CRC_BYTES * blocks)


async def new_bucket(conn: Connection, name: str = "bucket") -> Bucket:
    """Return a new bucket of a new account."""
    canonical_id = CanonicalId(hashlib.sha256(name.encode()).hexdigest())
    account = await accounts.create(conn, name=name, canonical_id=canonical_id, email=None)
    assert account is not None
    made = await buckets.create(conn, BucketName(name), account_id=account.id, region="us-east-1")
    assert made is not None
    return made


async def new_upload(
    conn: Connection, bucket: Bucket, key: str = "key", upload_id: str = "upload"
) -> MultipartUpload:
    """Return a new upload with no parts."""
    await multipart_uploads.create(
        conn,
        bucket.id,
        ObjectKey(key),
        upload_id=UploadId(upload_id),
        storage_class="STANDARD",
        headers={"Content-Type": "text/plain"},
        user_metadata={"colour": "grün"},
        tags={"project": "blau"},
        checksum_algorithm=ChecksumAlgorithm.CRC32,
        checksum_type=ChecksumType.COMPOSITE,
    )
    upload = await multipart_uploads.find(conn, bucket.id, ObjectKey(key), UploadId(upload_id))
    assert upload is not None
    return upload


async def put_part(
    conn: Connection, upload: MultipartUpload, number: int, slices: Sequence[Slice]
) -> Part:
    """Store a part of these slices, whose blobs get rows; return it."""
    await blobs.lock_for_writing(conn, [piece.blob for piece in slices])
    size = sum(piece.length for piece in slices)
    etag = ETag(hashlib.md5(repr(slices).encode(), usedforsecurity=False).hexdigest())
    now = whole_second(upload.initiated)
    part = Part(number, size, etag, now, ChecksumAlgorithm.CRC32, "AAAAAA==")
    await multipart_uploads.put_part(conn, upload, part, slices)
    return part


async def complete(conn: Connection, bucket: Bucket, upload: MultipartUpload, size: int) -> None:
    """Make the upload, with all its parts, the object of its key."""
    cursor = await conn.execute(
        "SELECT number FROM part WHERE manifest_id = %s ORDER BY number", [upload.manifest_id]
    )
    numbers = [row[0] for row in await cursor.fetchall()]
    await multipart_uploads.keep_only(conn, upload, numbers)
    await object_versions.put(
        conn,
        bucket.id,
        upload.key,
        content(ManifestBody(upload.manifest_id, len(numbers))),
    )
    completed = multipart_uploads.CompletedUpload(b"\x00" * 32, ETag("etag-1"), None)
    await multipart_uploads.finish(conn, upload, completed)


async def put_blob(conn: Connection, bucket: Bucket, key: str, stored: Blob) -> None:
    """Make a blob, which gets a row, the object of the key."""
    await blobs.lock_for_writing(conn, [stored])
    await object_versions.put(conn, bucket.id, ObjectKey(key), content(BlobBody(stored)))


async def count(conn: Connection, table: str) -> int:
    """Return how many rows the table has."""
    row = await (await conn.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()
    assert row is not None
    return int(row[0])


async def is_waiting(future: "asyncio.Future[Any]") -> bool:
    """Tell whether the future is still not done after a while."""
    done, _ = await asyncio.wait([future], timeout=0.3)
    return not done
