"""ListObjects: GET /{Bucket}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
"""

from server.listing import last_position, list_page
from server.operation import BucketRequest, S3Reply, Stores
from server.rules.listings import parse_list_objects
from server.rules.positions import AfterKey, AfterPrefix, Position
from xml_responses.listings import list_bucket_result


async def list_objects(request: BucketRequest, stores: Stores) -> S3Reply:
    """List a page of the bucket's keys, rolled up at the delimiter."""
    wanted = parse_list_objects(request.query)

    page = await list_page(stores, request.bucket, wanted, wanted.position)

    body = list_bucket_result(
        name=request.bucket.name,
        prefix=wanted.prefix,
        marker=wanted.marker,
        # S3 names the next marker only beside a delimiter; else it is the last key.
        next_marker=_marker(last_position(page))
        if page.is_truncated and wanted.delimiter
        else None,
        max_keys=wanted.limit,
        delimiter=wanted.delimiter or None,
        encoding_type="url" if wanted.encodes_url else None,
        is_truncated=page.is_truncated,
        contents=page.entries,
        common_prefixes=page.common_prefixes,
        owner=request.account,
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)


def _marker(position: Position | None) -> str | None:
    match position:
        case None:
            return None
        case AfterKey(text) | AfterPrefix(text):
            return text
