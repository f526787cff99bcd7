"""ListObjectsV2: GET /{Bucket}?list-type=2

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from server.listing import last_position, list_page
from server.operation import BucketRequest, S3Reply, Stores
from server.rules.listings import parse_list_objects_v2
from server.rules.positions import encode_token
from xml_responses.listings import list_bucket_result_v2


async def list_objects_v2(request: BucketRequest, stores: Stores) -> S3Reply:
    """List a page of the bucket's keys, rolled up at the delimiter."""
    wanted = parse_list_objects_v2(request.query)

    page = await list_page(stores, request.bucket, wanted, wanted.position)

    following = last_position(page) if page.is_truncated else None
    body = list_bucket_result_v2(
        name=request.bucket.name,
        prefix=wanted.prefix,
        start_after=wanted.start_after,
        continuation_token=wanted.continuation_token,
        next_continuation_token=None if following is None else encode_token(following),
        max_keys=wanted.limit,
        delimiter=wanted.delimiter or None,
        encoding_type="url" if wanted.encodes_url else None,
        is_truncated=page.is_truncated,
        contents=page.entries,
        common_prefixes=page.common_prefixes,
        owner=request.account if wanted.fetch_owner else None,
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)
