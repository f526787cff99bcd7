"""CopyObject: PUT /{Bucket}/{Key} with x-amz-copy-source

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
No byte moves: the copy names the blob, or the manifest, of its source. So its ETag, and the parts
that a multipart object can be read by, are those of the source, too.
"""

from dataclasses import replace

from server.copying import SourceGone, checksum_of_range, find_source, lock_source
from server.errors import ErrorCode, S3Error
from server.metadata.connection import Connection
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.object_version import ObjectContent, ObjectVersion
from server.operation import ObjectRequest, S3Reply, Stores
from server.reading import READ_TRIES, Selection
from server.rules.checksum_headers import parse_copy_checksum
from server.rules.copy_source import (
    check_copy_changes_something,
    parse_copy_source,
    replaces_metadata,
    replaces_tags,
)
from server.rules.entity_sizes import check_copy_size
from server.rules.object_headers import REDIRECT, parse_object_headers
from server.rules.storage_classes import parse_storage_class
from server.rules.tags import parse_tagging_header
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.user_metadata import parse_user_metadata
from server.rules.write_conditions import parse_write_condition
from server.writing import store_prepared
from xml_responses.copies import copy_object_result


async def copy_object(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Make the source's content the current version of the key."""
    refuse_unsupported_headers(request.headers)
    source = parse_copy_source(request.headers["x-amz-copy-source"])
    check_copy_changes_something(source, request.bucket.name, request.key, request.headers)
    condition = parse_write_condition(request.headers)
    algorithm = parse_copy_checksum(request.headers)

    for _ in range(READ_TRIES):
        version = await find_source(request, stores, source)
        check_copy_size(version.content.size)
        try:
            content = _copied(request, version)
            if algorithm is not None:
                content = await _with_checksum(stores, content, algorithm)

            async def prepare(conn: Connection, content: ObjectContent = content) -> None:
                await lock_source(conn, content.body)

            modified = await store_prepared(request, stores, content, prepare, condition)
        except SourceGone:
            continue
        body = copy_object_result(
            last_modified=modified, etag=content.etag, checksum=content.checksum
        )
        return S3Reply(headers={"Content-Type": "application/xml"}, body=body)
    # A row that stays, whose blob does not: not a race with the sweep, but a loss.
    raise S3Error(ErrorCode.InternalError)


def _copied(request: ObjectRequest, version: ObjectVersion) -> ObjectContent:
    """Return the content of the copy: what S3 copies, and what the request says itself."""
    content = replace(version.content, storage_class=parse_storage_class(request.headers))
    said = parse_object_headers(request.headers)
    if replaces_tags(request.headers):
        content = replace(content, tags=parse_tagging_header(request.headers))
    if replaces_metadata(request.headers):
        return replace(content, headers=said, user_metadata=parse_user_metadata(request.headers))
    # A redirect is of the object it was set on: S3 does not copy it.
    headers = {name: value for name, value in content.headers.items() if name != REDIRECT}
    if REDIRECT in said:
        headers[REDIRECT] = said[REDIRECT]
    return replace(content, headers=headers)


async def _with_checksum(
    stores: Stores, content: ObjectContent, algorithm: ChecksumAlgorithm
) -> ObjectContent:
    if content.checksum is not None and content.checksum.algorithm is algorithm:
        return content
    whole = Selection(0, content.size - 1, is_partial=False, parts=None)
    value = await checksum_of_range(stores, content, whole, algorithm)
    return replace(content, checksum=Checksum(algorithm, ChecksumType.FULL_OBJECT, value))
