"""Versions of objects: what a key holds."""

from collections.abc import Mapping
from datetime import datetime

from server.model.blob import StoredBody
from server.model.checksum import Checksum
from server.model.names import NULL_VERSION, ETag, ObjectKey, VersionId
from server.model.value import value


@value(kw_only=True)
class ObjectContent:
    """All that a writer says of a version: its body and what is told about it.

    headers: the system metadata that GetObject replays, names in S3's own case, e.g.
             {"Content-Type": "text/plain", "Cache-Control": "no-cache"}.
    user_metadata: names without "x-amz-meta-", lower case.
    tags: by key, in no order.
    """

    body: StoredBody
    size: int  # bytes
    etag: ETag
    storage_class: str
    headers: Mapping[str, str]
    user_metadata: Mapping[str, str]
    tags: Mapping[str, str]
    checksum: Checksum | None


@value(kw_only=True)
class ObjectVersion:
    """A version that has content. A delete marker is a type of its own, never a flag here."""

    key: ObjectKey
    version_id: VersionId = NULL_VERSION
    last_modified: datetime  # UTC, whole seconds as S3 keeps them
    content: ObjectContent
