"""HeadObject: HEAD /{Bucket}/{Key}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from server.operation import ObjectRequest, S3Reply, Stores
from server.reading import find_for_read, read_headers, wants_checksum
from server.rules.object_headers import parse_response_overrides


async def head_object(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Return the headers that GetObject would return."""
    overrides = parse_response_overrides(request.query)

    version, selection = await find_for_read(request, stores, with_body=False)

    headers = read_headers(version, selection, checksum=wants_checksum(request.headers))
    return S3Reply(
        status=206 if selection.is_partial else 200,
        headers=headers | overrides,
        content_length=selection.length,
    )
