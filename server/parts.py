"""Parts of uploads: what UploadPart and UploadPartCopy have in common."""

from collections.abc import Sequence
from datetime import datetime

from server.metadata import multipart_uploads
from server.metadata.connection import Connection
from server.model.blob import Slice
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import UploadId
from server.operation import ObjectRequest, Stores
from server.rules.multipart import is_upload_id, no_such_upload
from server.writing import Prepare


def named_upload(request: ObjectRequest) -> UploadId:
    """Return the upload id of the request. Raises S3Error NoSuchUpload where it is none of ours."""
    upload_id = request.query["uploadId"]
    if not is_upload_id(upload_id):
        raise no_such_upload(upload_id)
    return UploadId(upload_id)


async def find_upload(request: ObjectRequest, stores: Stores) -> MultipartUpload:
    """Return the upload in progress that the request names. Raises S3Error NoSuchUpload."""
    upload_id = named_upload(request)
    async with stores.metadata.connection() as conn:
        upload = await multipart_uploads.find(conn, request.bucket.id, request.key, upload_id)
    if upload is None:
        raise no_such_upload(upload_id)
    return upload


async def store_part(
    request: ObjectRequest,
    stores: Stores,
    upload: MultipartUpload,
    part: Part,
    slices: Sequence[Slice],
    prepare: Prepare,
) -> datetime:
    """Make the slices the part of that number, replacing another; return its modification time.

    prepare: locks the blobs of the slices, and publishes what is new among them.

    Raises S3Error NoSuchUpload where the upload was completed or aborted meanwhile.
    """

    async def change(conn: Connection) -> datetime:
        shared = await multipart_uploads.share(
            conn, request.bucket.id, request.key, upload.upload_id
        )
        if shared is None:
            raise no_such_upload(upload.upload_id)
        await prepare(conn)
        return await multipart_uploads.put_part(conn, shared, part, slices)

    return await stores.metadata.write(request.grant, request.bucket.id, change)
