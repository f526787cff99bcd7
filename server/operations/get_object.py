"""GetObject: GET /{Bucket}/{Key}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
Answers, in this order: NoSuchKey, PreconditionFailed or NotModified, InvalidRange.
"""

from server.errors import ErrorCode, S3Error
from server.operation import ObjectRequest, S3Reply, Stores
from server.reading import READ_TRIES, find_for_read, open_body, read_headers, wants_checksum
from server.rules.object_headers import parse_response_overrides


async def get_object(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Return the body of the current version, or the range or part of it that is asked for."""
    overrides = parse_response_overrides(request.query)

    for _ in range(READ_TRIES):
        version, selection = await find_for_read(request, stores, with_body=True)
        body = await open_body(stores, version.content, selection)
        if body is not None:
            break
    else:
        # A row that stays, whose file does not: not a race with the sweep, but a loss.
        raise S3Error(ErrorCode.InternalError)

    headers = read_headers(version, selection, checksum=wants_checksum(request.headers))
    return S3Reply(
        status=206 if selection.is_partial else 200, headers=headers | overrides, body=body
    )
