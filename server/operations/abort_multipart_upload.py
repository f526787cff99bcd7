"""AbortMultipartUpload: DELETE /{Bucket}/{Key}?uploadId={UploadId}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
"""

from server.metadata import multipart_uploads
from server.metadata.connection import Connection
from server.model.multipart_upload import MultipartUpload
from server.operation import ObjectRequest, S3Reply, Stores
from server.parts import named_upload
from server.rules.multipart import no_such_upload
from server.rules.write_conditions import check_abort_condition


async def abort_multipart_upload(request: ObjectRequest, stores: Stores) -> S3Reply:
    """End the upload and release its parts."""
    upload_id = named_upload(request)

    async def abort(conn: Connection) -> None:
        upload = await multipart_uploads.lock(conn, request.bucket.id, request.key, upload_id)
        if not isinstance(upload, MultipartUpload):
            raise no_such_upload(upload_id)
        check_abort_condition(request.headers, upload.initiated)
        await multipart_uploads.delete(conn, upload)

    await stores.metadata.write(request.grant, request.bucket.id, abort)
    return S3Reply(status=204)
