"""DeleteObjects: POST /{Bucket}?delete

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from server.deleting import delete_if
from server.errors import ErrorCode, S3Error
from server.metadata.settling import results
from server.operation import BucketRequest, S3Reply, Stores
from server.rules.checksum_headers import check_digest_sent
from server.rules.conditional import parse_etag_list
from server.rules.limits import MAX_DELETE_BODY
from server.rules.names import parse_key
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.versions import names_null_version
from server.rules.write_conditions import DeleteCondition
from xml_responses.deletes import (
    Deleted,
    NotDeleted,
    ObjectIdentifier,
    delete_result,
    parse_delete,
)
from xml_responses.errors import MalformedXML

# Deletes that one request has under way at once; batches of the store take them together.
_AT_ONCE = 256


async def delete_objects(request: BucketRequest, stores: Stores) -> S3Reply:
    """Delete each of up to 1,000 keys; each succeeds or fails for itself."""
    refuse_unsupported_headers(request.headers)
    check_digest_sent(request.headers)
    try:
        wanted = parse_delete(await request.body.document(MAX_DELETE_BODY))
    except MalformedXML as error:
        raise S3Error(ErrorCode.MalformedXML) from error

    outcomes: list[Deleted | NotDeleted] = []
    for start in range(0, len(wanted.objects), _AT_ONCE):
        some = wanted.objects[start : start + _AT_ONCE]
        # To the end of all: none may be deleted after a 503, when the client may have written it.
        outcomes += await results([_delete_one(request, stores, one) for one in some])

    body = delete_result(
        deleted=[
            outcome for outcome in outcomes if isinstance(outcome, Deleted) and not wanted.quiet
        ],
        errors=[outcome for outcome in outcomes if isinstance(outcome, NotDeleted)],
    )
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)


async def _delete_one(
    request: BucketRequest, stores: Stores, wanted: ObjectIdentifier
) -> Deleted | NotDeleted:
    try:
        key = parse_key(wanted.key)
        if names_null_version(wanted.version_id):
            await delete_if(request, stores, key, _condition(wanted))
    except S3Error as error:
        return NotDeleted(
            key=wanted.key,
            version_id=wanted.version_id,
            code=error.code.name,
            message=error.message,
        )
    return Deleted(key=wanted.key, version_id=wanted.version_id)


def _condition(wanted: ObjectIdentifier) -> DeleteCondition | None:
    if wanted.etag is None and wanted.last_modified_time is None and wanted.size is None:
        return None
    return DeleteCondition(
        etag=None if wanted.etag is None else parse_etag_list(wanted.etag),
        last_modified=wanted.last_modified_time,
        size=wanted.size,
    )
