"""Changing the tags of an object: what PutObjectTagging and DeleteObjectTagging have in common."""

from collections.abc import Mapping

from server.errors import ErrorCode, S3Error
from server.metadata import object_versions
from server.metadata.connection import Connection
from server.operation import ObjectRequest, Stores
from server.rules.versions import names_null_version, no_such_version


async def replace_tags(request: ObjectRequest, stores: Stores, tags: Mapping[str, str]) -> None:
    """Give the version that the request names these tags alone.

    Nothing else of it changes. Raises S3Error NoSuchKey, NoSuchVersion.
    """
    version_id = request.query.get("versionId")
    if not names_null_version(version_id):
        raise no_such_version(request.key, version_id or "")

    async def change(conn: Connection) -> bool:
        return await object_versions.set_tags(conn, request.bucket.id, request.key, tags)

    if not await stores.metadata.write(request.grant, request.bucket.id, change):
        raise S3Error(ErrorCode.NoSuchKey, Key=request.key)
