"""CreateMultipartUpload: POST /{Bucket}/{Key}?uploads

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
"""

import secrets

from server.metadata import multipart_uploads
from server.metadata.connection import Connection
from server.operation import ObjectRequest, S3Reply, Stores
from server.rules.checksum_headers import parse_upload_checksum
from server.rules.multipart import UPLOAD_ID_RANDOM_BYTES, new_upload_id
from server.rules.object_headers import parse_object_headers
from server.rules.storage_classes import parse_storage_class
from server.rules.tags import parse_tagging_header
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.user_metadata import parse_user_metadata
from xml_responses.multipart import initiate_multipart_upload_result


async def create_multipart_upload(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Begin an upload; what the object will be is said now, its bytes come in parts."""
    refuse_unsupported_headers(request.headers)
    checksum = parse_upload_checksum(request.headers)
    algorithm, kind = checksum or (None, None)
    headers = parse_object_headers(request.headers)
    user_metadata = parse_user_metadata(request.headers)
    tags = parse_tagging_header(request.headers)
    storage_class = parse_storage_class(request.headers)
    upload_id = new_upload_id(secrets.token_bytes(UPLOAD_ID_RANDOM_BYTES))

    async def create(conn: Connection) -> None:
        await multipart_uploads.create(
            conn,
            request.bucket.id,
            request.key,
            upload_id=upload_id,
            storage_class=storage_class,
            headers=headers,
            user_metadata=user_metadata,
            tags=tags,
            checksum_algorithm=algorithm,
            checksum_type=kind,
        )

    await stores.metadata.write(request.grant, request.bucket.id, create)

    reply_headers = {"Content-Type": "application/xml"}
    if algorithm is not None and kind is not None:
        reply_headers["x-amz-checksum-algorithm"] = str(algorithm)
        reply_headers["x-amz-checksum-type"] = str(kind)
    body = initiate_multipart_upload_result(
        bucket=request.bucket.name, key=request.key, upload_id=upload_id
    )
    return S3Reply(headers=reply_headers, body=body)
