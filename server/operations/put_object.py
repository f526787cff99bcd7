"""PutObject: PUT /{Bucket}/{Key}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
Answers, in this order: what is wrong with a header, EntityTooLarge, what is wrong with the body,
PreconditionFailed.
"""

from server.model.names import ETag
from server.model.object_version import ObjectContent
from server.operation import ObjectRequest, S3Reply, Stores
from server.rules.entity_sizes import check_put_size
from server.rules.etags import quote_etag
from server.rules.object_headers import parse_object_headers
from server.rules.storage_classes import parse_storage_class
from server.rules.tags import parse_tagging_header
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.user_metadata import parse_user_metadata
from server.rules.write_conditions import parse_write_condition
from server.writing import checksum_headers, checksum_of_received, store_received, stored_body


async def put_object(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Store the body as the current version of the key."""
    refuse_unsupported_headers(request.headers)
    check_put_size(request.body.length or 0)
    condition = parse_write_condition(request.headers)
    headers = parse_object_headers(request.headers)
    user_metadata = parse_user_metadata(request.headers)
    tags = parse_tagging_header(request.headers)
    storage_class = parse_storage_class(request.headers)

    async with stores.blobs.receive(request.body) as received:
        content = ObjectContent(
            body=stored_body(received),
            size=received.digests.size,
            etag=ETag(received.digests.md5_hex),
            storage_class=storage_class,
            headers=headers,
            user_metadata=user_metadata,
            tags=tags,
            checksum=checksum_of_received(received, request.body),
        )
        await store_received(request, stores, content, received, condition)

    return S3Reply(headers={"ETag": quote_etag(content.etag), **checksum_headers(content.checksum)})
