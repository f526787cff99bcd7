"""CompleteMultipartUpload: POST /{Bucket}/{Key}?uploadId={UploadId}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
No byte moves: the manifest that the upload has filled becomes the object's. A client whose
connection broke may ask again, and is answered the same.
"""

import hashlib
from collections.abc import Sequence
from urllib.parse import quote

from server.errors import ErrorCode, S3Error
from server.metadata import manifests, multipart_uploads
from server.metadata.connection import Connection
from server.metadata.multipart_uploads import CompletedUpload
from server.model.blob import ManifestBody
from server.model.checksum import Checksum, ChecksumAlgorithm
from server.model.multipart_upload import MultipartUpload
from server.model.names import ETag
from server.model.object_version import ObjectContent
from server.operation import ObjectRequest, S3Reply, Stores
from server.parts import named_upload
from server.rules.checksum_headers import check_object_checksum, parse_object_checksum
from server.rules.etags import multipart_etag
from server.rules.limits import MAX_COMPLETE_BODY, MAX_PARTS
from server.rules.multipart import (
    RequestedPart,
    check_mp_object_size,
    check_parts,
    no_such_upload,
    object_checksum,
)
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.write_conditions import parse_write_condition
from server.writing import put_if
from xml_responses.errors import MalformedXML
from xml_responses.multipart import (
    complete_multipart_upload_result,
    parse_complete_multipart_upload,
)


async def complete_multipart_upload(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Make the listed parts, in order, the current version of the key."""
    refuse_unsupported_headers(request.headers)
    upload_id = named_upload(request)
    condition = parse_write_condition(request.headers)
    requested = _parse(await request.body.document(MAX_COMPLETE_BODY))

    async def complete(conn: Connection) -> CompletedUpload:
        upload = await multipart_uploads.lock(conn, request.bucket.id, request.key, upload_id)
        match upload:
            case None:
                raise no_such_upload(upload_id)
            case CompletedUpload():
                if upload.parts_digest != _digest(requested):
                    raise no_such_upload(upload_id)
                return upload
            case MultipartUpload():
                content = await _assemble(conn, request, upload, requested)
                await put_if(conn, request, content, condition)
                completed = _completed(content, requested)
                await multipart_uploads.finish(conn, upload, completed)
                return completed

    completed = await stores.metadata.write(request.grant, request.bucket.id, complete)

    body = complete_multipart_upload_result(
        # "/" as "%2F": so S3 writes it, and clients undo it.
        location=f"{request.address_url}/{quote(request.key, safe='')}",
        bucket=request.bucket.name,
        key=request.key,
        etag=completed.etag,
        checksum=completed.checksum,
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)


def _parse(body: bytes) -> Sequence[RequestedPart]:
    try:
        parts = parse_complete_multipart_upload(body)
    except MalformedXML as error:
        raise S3Error(ErrorCode.MalformedXML) from error
    known = set(ChecksumAlgorithm)
    for part in parts:
        if not known.issuperset(part.checksums):
            raise S3Error(
                ErrorCode.NotImplemented, "This server does not compute this checksum algorithm."
            )
    return [
        RequestedPart(
            part.number,
            ETag(part.etag),
            {ChecksumAlgorithm(name): value for name, value in part.checksums.items()},
        )
        for part in parts
    ]


async def _assemble(
    conn: Connection,
    request: ObjectRequest,
    upload: MultipartUpload,
    requested: Sequence[RequestedPart],
) -> ObjectContent:
    """Return the object that the parts make, after giving each its place in it."""
    stated = _stated_checksum(request, upload)
    stored, _ = await manifests.parts(conn, upload.manifest_id, after=0, limit=MAX_PARTS)
    parts = check_parts(requested, {part.number: part for part in stored}, upload)
    size = sum(part.size for part in parts)
    check_mp_object_size(request.headers, size)
    checksum = object_checksum(parts, upload)
    if stated is not None and checksum is not None:
        check_object_checksum(stated, checksum)
    await multipart_uploads.keep_only(conn, upload, [part.number for part in parts])
    return ObjectContent(
        body=ManifestBody(upload.manifest_id, len(parts)),
        size=size,
        etag=multipart_etag([part.etag for part in parts]),
        storage_class=upload.storage_class,
        headers=upload.headers,
        user_metadata=upload.user_metadata,
        tags=upload.tags,
        checksum=checksum,
    )


def _stated_checksum(request: ObjectRequest, upload: MultipartUpload) -> Checksum | None:
    chosen = None
    if upload.checksum_algorithm is not None and upload.checksum_type is not None:
        chosen = (upload.checksum_algorithm, upload.checksum_type)
    return parse_object_checksum(request.headers, chosen)


def _completed(content: ObjectContent, requested: Sequence[RequestedPart]) -> CompletedUpload:
    return CompletedUpload(_digest(requested), content.etag, content.checksum)


def _digest(requested: Sequence[RequestedPart]) -> bytes:
    listed = "".join(f"{part.number}:{part.etag}\n" for part in requested)
    return hashlib.sha256(listed.encode("utf-8", "surrogatepass")).digest()
