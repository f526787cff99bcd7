"""Deleting an object: what DeleteObject and DeleteObjects have in common."""

from server.metadata import object_versions
from server.metadata.connection import Connection
from server.model.names import ObjectKey
from server.operation import BucketRequest, Stores
from server.rules.write_conditions import (
    CurrentObject,
    DeleteCondition,
    check_delete_condition,
)


async def delete_if(
    request: BucketRequest, stores: Stores, key: ObjectKey, condition: DeleteCondition | None
) -> None:
    """Leave the key holding nothing if the condition holds; else raise S3Error."""
    if condition is None:
        await stores.metadata.delete(request.bucket.id, key, request.grant)
        return

    async def change(conn: Connection) -> None:
        version = await object_versions.lock_current(conn, request.bucket.id, key)
        current = None
        if version is not None:
            content = version.content
            current = CurrentObject(content.etag, version.last_modified, content.size)
        check_delete_condition(condition, current, key=key)
        await object_versions.delete_current(conn, request.bucket.id, key)

    await stores.metadata.write(request.grant, request.bucket.id, change)
