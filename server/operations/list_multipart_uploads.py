"""ListMultipartUploads: GET /{Bucket}?uploads

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
"""

from server.listing import first_key, last_position
from server.metadata import multipart_uploads
from server.model.listing import ListedUpload, Page
from server.operation import BucketRequest, S3Reply, Stores
from server.rules.listings import ListUploadsQuery, parse_list_uploads
from server.rules.positions import AfterKey, AfterPrefix, prefix_end
from xml_responses.multipart import list_multipart_uploads_result


async def list_multipart_uploads(request: BucketRequest, stores: Stores) -> S3Reply:
    """List a page of the uploads in progress, by key and time, rolled up at the delimiter."""
    wanted = parse_list_uploads(request.query)

    page = await _page(request, stores, wanted)

    position = last_position(page) if page.is_truncated else None
    next_key: str | None = None
    next_upload_id: str | None = None
    match position:
        case AfterKey(key):
            next_key, next_upload_id = key, page.entries[-1].upload_id
        case AfterPrefix(prefix):
            next_key, next_upload_id = prefix, ""
        case None:
            pass
    body = list_multipart_uploads_result(
        bucket=request.bucket.name,
        key_marker=wanted.key_marker,
        upload_id_marker=wanted.upload_id_marker or "",
        next_key_marker=next_key,
        next_upload_id_marker=next_upload_id,
        delimiter=wanted.delimiter or None,
        prefix=wanted.prefix or None,
        encoding_type="url" if wanted.encodes_url else None,
        max_uploads=wanted.limit,
        is_truncated=page.is_truncated,
        uploads=page.entries,
        common_prefixes=page.common_prefixes,
        owner=request.account,
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)


async def _page(
    request: BucketRequest, stores: Stores, wanted: ListUploadsQuery
) -> Page[ListedUpload]:
    start = first_key(wanted.position, wanted.prefix)
    if wanted.limit == 0 or start is None:
        return Page((), (), is_truncated=False)
    place = 0
    async with stores.metadata.connection() as conn:
        if wanted.upload_id_marker is not None:
            # The key of the marker may have more uploads. Where the marker itself was aborted
            # since, those before it were listed, too, and those that are left were not.
            place = (
                await multipart_uploads.place_of(conn, request.bucket.id, wanted.upload_id_marker)
                or 0
            )
            if isinstance(wanted.position, AfterKey):
                start = max(wanted.key_marker, wanted.prefix)
        return await multipart_uploads.page(
            conn,
            request.bucket.id,
            start=start,
            end=prefix_end(wanted.prefix),
            after=(wanted.key_marker, place),
            limit=wanted.limit,
            prefix=wanted.prefix,
            delimiter=wanted.delimiter,
        )
