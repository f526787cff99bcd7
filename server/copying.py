"""Copying: what CopyObject and UploadPartCopy have in common."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import assert_never

from server.access.authorize import authorize
from server.errors import ErrorCode, S3Error
from server.metadata import blobs, manifests
from server.metadata.connection import Connection
from server.model.blob import BlobBody, InlineBody, ManifestBody, StoredBody
from server.model.checksum import ChecksumAlgorithm
from server.model.names import BlobDigest
from server.model.object_version import ObjectContent, ObjectVersion
from server.operation import ObjectRequest, Stores
from server.reading import Selection, find_version, open_body, slices_in_order
from server.rules.checksums import BodyDigests, crc64nvme_of_blocks, full_object_checksum
from server.rules.conditional import (
    check_copy_source_conditions,
    parse_copy_source_conditions,
)
from server.rules.copy_source import CopySource


class SourceGone(Exception):
    """What a copy was about to name was swept meanwhile: its source is another one now."""


async def find_source(request: ObjectRequest, stores: Stores, source: CopySource) -> ObjectVersion:
    """Return the version to copy, which the caller may read and whose conditions hold.

    Raises S3Error NoSuchBucket, AccessDenied, NoSuchKey, NoSuchVersion, PreconditionFailed.
    """
    conditions = parse_copy_source_conditions(request.headers)
    bucket = await stores.metadata.settings.bucket(source.bucket)
    if bucket is None:
        raise S3Error(ErrorCode.NoSuchBucket, BucketName=source.bucket)
    owner = request.headers.get("x-amz-source-expected-bucket-owner")
    authorize(request.account, bucket, expected_owner=owner)
    version = await find_version(
        stores, bucket, source.key, source.version_id, request.grant, with_body=True
    )
    if await stores.metadata.settings.bucket(source.bucket) != bucket:
        raise S3Error(ErrorCode.OperationAborted)
    check_copy_source_conditions(
        conditions,
        etag=version.content.etag,
        last_modified=version.last_modified,
        now=datetime.now(UTC),
    )
    return version


async def lock_source(conn: Connection, body: StoredBody) -> None:
    """Hold what the body names until a row of this transaction names it, too (D3).

    Raises SourceGone.
    """
    match body:
        case InlineBody():
            return
        case BlobBody(blob):
            held = await blobs.lock_for_reference(conn, [blob.digest])
        case ManifestBody(manifest_id):
            held = await manifests.lock_for_reference(conn, manifest_id)
        case _:
            assert_never(body)
    if not held:
        raise SourceGone


async def lock_slices(conn: Connection, digests: Collection[BlobDigest]) -> None:
    """Hold these blobs until a row of this transaction names them, too. Raises SourceGone."""
    if not await blobs.lock_for_reference(conn, list(digests)):
        raise SourceGone


async def checksum_of_range(
    stores: Stores, content: ObjectContent, selection: Selection, algorithm: ChecksumAlgorithm
) -> str:
    """Return the base64 checksum of the selected bytes.

    They are read and verified for it, except where the CRCs of whole blobs make it up.

    Raises SourceGone.
    """
    if algorithm is ChecksumAlgorithm.CRC64NVME:
        combined = await _checksum_of_whole_blobs(stores, content, selection)
        if combined is not None:
            return combined
    digests = BodyDigests(algorithm, sha256=False, blocks=False)
    body = await open_body(stores, content, selection)
    if body is None:
        raise SourceGone
    if isinstance(body, bytes):
        digests.update_others(body)
    else:
        try:
            async for piece in body.pieces:
                digests.update_others(piece)
        finally:
            await body.close()
    return digests.checksum(algorithm)


async def _checksum_of_whole_blobs(
    stores: Stores, content: ObjectContent, selection: Selection
) -> str | None:
    """Return the CRC64NVME of the selected bytes; None unless they are whole blobs, one or more."""
    algorithm = ChecksumAlgorithm.CRC64NVME
    if isinstance(content.body, InlineBody):
        return None
    combined, size = "", 0
    async for piece in slices_in_order(stores, content.body, selection):
        if piece.length != piece.blob.size:
            return None
        checksum = crc64nvme_of_blocks(piece.blob.block_crcs, piece.length)
        before = [(combined, size)] if size else []
        combined = full_object_checksum(algorithm, [*before, (checksum, piece.length)])
        size += piece.length
    return combined if size == selection.length and size else None
