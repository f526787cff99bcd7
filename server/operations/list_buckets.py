"""ListBuckets: GET /

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
"""

from server.metadata import buckets
from server.operation import S3Reply, S3Request, Stores
from server.rules.limits import MAX_BUCKETS_PAGE
from server.rules.listings import parse_list_buckets
from server.rules.positions import AfterKey, encode_token, prefix_end
from xml_responses.buckets import list_all_my_buckets_result


async def list_buckets(request: S3Request, stores: Stores) -> S3Reply:
    """List the buckets of the caller's account, by name."""
    wanted = parse_list_buckets(request.query)
    limit = wanted.limit or MAX_BUCKETS_PAGE

    async with stores.metadata.connection() as conn:
        found = await buckets.page(
            conn,
            account_id=request.account.id,
            after=wanted.after or "",
            prefix=wanted.prefix,
            end=prefix_end(wanted.prefix),
            region=wanted.region,
            limit=limit + 1,
        )

    shown = found[:limit]
    body = list_all_my_buckets_result(
        owner=request.account,
        buckets=shown,
        prefix=request.query.get("prefix"),
        continuation_token=encode_token(AfterKey(shown[-1].name)) if len(found) > limit else None,
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)
