"""ListParts: GET /{Bucket}/{Key}?uploadId={UploadId}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
"""

from server.metadata import manifests
from server.operation import ObjectRequest, S3Reply, Stores
from server.parts import find_upload
from server.rules.listings import parse_list_parts
from server.rules.unsupported_headers import refuse_unsupported_headers
from xml_responses.multipart import list_parts_result


async def list_parts(request: ObjectRequest, stores: Stores) -> S3Reply:
    """List a page of the parts that were uploaded so far."""
    refuse_unsupported_headers(request.headers)
    wanted = parse_list_parts(request.query)
    upload = await find_upload(request, stores)

    async with stores.metadata.connection() as conn:
        parts, is_truncated = await manifests.parts(
            conn, upload.manifest_id, after=wanted.after, limit=wanted.limit
        )

    body = list_parts_result(
        bucket=request.bucket.name,
        key=request.key,
        upload_id=upload.upload_id,
        initiator=request.account,
        owner=request.account,
        storage_class=upload.storage_class,
        checksum_algorithm=upload.checksum_algorithm,
        checksum_type=upload.checksum_type,
        part_number_marker=wanted.after,
        next_part_number_marker=parts[-1].number if parts else None,
        max_parts=wanted.limit,
        is_truncated=is_truncated,
        parts=parts,
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)
