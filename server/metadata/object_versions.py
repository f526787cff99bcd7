"""Table object_version: one row is one version, or one delete marker, of one key.

Nothing here knows HTTP: a row that is not there is None, not an error. Functions that take
several questions answer them in one statement, and commit it where they say so.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import orjson
from psycopg.rows import TupleRow

from server.metadata import blobs, settings_revision
from server.metadata.connection import Connection
from server.metadata.settling import results
from server.model.blob import Blob, BlobBody, InlineBody, ManifestBody
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.names import BlobDigest, ETag, ObjectKey, VersionId
from server.model.object_version import ObjectContent, ObjectVersion
from server.model.value import value

Publish = Callable[[], Awaitable[None]]


@value()
class Find:
    """The question which version is current. with_body: bring a small body along."""

    bucket_id: int
    key: ObjectKey
    with_body: bool


@value()
class Found:
    """The answer, and the settings revision of the snapshot it was read from."""

    version: ObjectVersion | None
    revision: int


@value()
class Put:
    """A new current version.

    publish: makes the blob that the content names durable under its name; None where the content
        names no new blob. Called while the digest is locked, before a row names it (D1, D3).
    """

    bucket_id: int
    key: ObjectKey
    content: ObjectContent
    publish: Publish | None
    revision: int  # that the write was allowed under


@value()
class Delete:
    """The wish that a key hold nothing."""

    bucket_id: int
    key: ObjectKey
    revision: int


_COLUMNS: Final[LiteralString] = """
           v.key, v.version_id, v.last_modified, v.size, v.etag, v.storage_class, v.headers,
           v.user_metadata, v.tags, v.checksum_algorithm, v.checksum_type, v.checksum,
           v.digest, b.size, b.block_crcs, v.manifest_id, v.parts
"""

# The LEFT JOINs bring a row, and so the revision, for a key that holds nothing, too.
# One probe a key of object_version_current.
_FIND: Final[LiteralString] = f"""
    SELECT r.revision, CASE WHEN q.with_body THEN v.body ELSE ''::bytea END, v.body IS NOT NULL,
           {_COLUMNS}
      FROM unnest(%(bucket_ids)b::bigint[], %(keys)b::text[], %(with_body)b::boolean[])
           WITH ORDINALITY AS q (bucket_id, key, with_body, n)
     CROSS JOIN settings_revision r
      LEFT JOIN object_version v
        ON v.bucket_id = q.bucket_id AND v.key = q.key AND v.is_current AND NOT v.is_delete_marker
      LEFT JOIN blob b ON b.digest = v.digest
     ORDER BY q.n
"""


async def find(conn: Connection, questions: Sequence[Find]) -> list[Found]:
    """Return the current version of each key, one round trip for all."""
    cursor = conn.cursor(binary=True)
    await cursor.execute(
        _FIND,
        {
            "bucket_ids": [question.bucket_id for question in questions],
            "keys": [question.key for question in questions],
            "with_body": [question.with_body for question in questions],
        },
        prepare=True,
    )
    return [
        Found(_version(row[1], bool(row[2]), row[3:]), row[0]) for row in await cursor.fetchall()
    ]


def _version(data: bytes | None, is_inline: bool, row: TupleRow) -> ObjectVersion | None:
    (key, version_id, last_modified, size, etag, storage_class, headers) = row[:7]
    (user_metadata, tags, algorithm, kind, checksum) = row[7:12]
    if key is None:
        return None
    return ObjectVersion(
        key=ObjectKey(key),
        version_id=VersionId(version_id),
        last_modified=last_modified,
        content=ObjectContent(
            body=InlineBody(data or b"") if is_inline else _blob_or_manifest(row[12:]),
            size=size,
            etag=ETag(etag),
            storage_class=storage_class,
            headers=headers,
            user_metadata=user_metadata,
            tags=tags or {},
            checksum=Checksum(ChecksumAlgorithm(algorithm), ChecksumType(kind), checksum)
            if algorithm
            else None,
        ),
    )


def _blob_or_manifest(row: TupleRow) -> BlobBody | ManifestBody:
    digest, size, block_crcs, manifest_id, parts = row
    if digest is not None:
        return BlobBody(Blob(BlobDigest(digest), size, block_crcs))
    return ManifestBody(manifest_id, parts)


# Arrays travel in binary form (%b): as text every element is escaped, at four times the CPU.
_INSERT: Final[LiteralString] = """
    INSERT INTO object_version AS v
           (bucket_id, key, size, etag, storage_class, headers, user_metadata, tags,
            checksum_algorithm, checksum_type, checksum, body, digest, manifest_id, parts)
    SELECT q.bucket_id, q.key, q.size, q.etag, q.storage_class, q.headers::jsonb,
           q.user_metadata::jsonb, q.tags::jsonb, q.checksum_algorithm, q.checksum_type,
           q.checksum, q.body, q.digest, q.manifest_id, q.parts
      FROM unnest(%(bucket_ids)b::bigint[], %(keys)b::text[], %(sizes)b::bigint[],
                  %(etags)b::text[], %(storage_classes)b::text[], %(headers)b::text[],
                  %(user_metadata)b::text[], %(tags)b::text[], %(checksum_algorithms)b::text[],
                  %(checksum_types)b::text[], %(checksums)b::text[], %(bodies)b::bytea[],
                  %(digests)b::bytea[], %(manifest_ids)b::bigint[], %(parts)b::integer[])
           AS q (bucket_id, key, size, etag, storage_class, headers, user_metadata, tags,
                 checksum_algorithm, checksum_type, checksum, body, digest, manifest_id, parts)
"""

_IF_ALLOWED: Final[LiteralString] = """
     WHERE (SELECT settings_hold(%(revision)s, %(bucket_ids)b::bigint[]))
"""

# ORDER BY makes every writer take its row locks in the same order, so that two batches which share
# keys wait for one another instead of deadlocking. A current row is replaced where it stands.
_OR_REPLACE: Final[LiteralString] = """
     ORDER BY q.bucket_id, q.key COLLATE "C"
        ON CONFLICT (bucket_id, key) WHERE is_current DO UPDATE
       SET version_id = EXCLUDED.version_id, is_delete_marker = false, size = EXCLUDED.size,
           etag = EXCLUDED.etag, last_modified = EXCLUDED.last_modified,
           storage_class = EXCLUDED.storage_class, headers = EXCLUDED.headers,
           user_metadata = EXCLUDED.user_metadata, tags = EXCLUDED.tags,
           checksum_algorithm = EXCLUDED.checksum_algorithm,
           checksum_type = EXCLUDED.checksum_type, checksum = EXCLUDED.checksum,
           body = EXCLUDED.body, digest = EXCLUDED.digest, manifest_id = EXCLUDED.manifest_id,
           parts = EXCLUDED.parts
"""

_PUT_IF_ALLOWED: Final[LiteralString] = _INSERT + _IF_ALLOWED + _OR_REPLACE
_PUT: Final[LiteralString] = (
    _INSERT
    + _OR_REPLACE
    + """
    RETURNING v.last_modified
"""
)
_PUT_NEW: Final[LiteralString] = (
    _INSERT
    + """
        ON CONFLICT (bucket_id, key) WHERE is_current DO NOTHING
    RETURNING v.last_modified
"""
)


async def put_all(conn: Connection, questions: Sequence[Put]) -> list[bool]:
    """Make each content its key's current version and commit; False where the revision moved.

    Of several writes to one key the last holds: the others are answered, and were replaced in the
    same instant.
    """
    newest = max(question.revision for question in questions)
    current = {
        (question.bucket_id, question.key): question
        for question in questions
        if question.revision == newest
    }
    held = await _put_current(conn, list(current.values()), newest)
    return [held and question.revision == newest for question in questions]


async def _put_current(conn: Connection, questions: Sequence[Put], revision: int) -> bool:
    values = _columns([(q.bucket_id, q.key, q.content) for q in questions])
    values["revision"] = revision
    staged = [question.publish for question in questions if question.publish is not None]
    if not staged:  # one statement is its own transaction
        return (await conn.execute(_PUT_IF_ALLOWED, values, prepare=True, binary=True)).rowcount > 0
    async with conn.transaction():
        if not await settings_revision.hold(conn, revision, values["bucket_ids"]):
            return False
        await blobs.lock_for_writing(
            conn, [q.content.body.blob for q in questions if isinstance(q.content.body, BlobBody)]
        )
        # None may go on after the digests are unlocked, also where one fails.
        await results([publish() for publish in staged])
        await conn.execute(_PUT, values, prepare=True, binary=True)
    return True


async def put(conn: Connection, bucket_id: int, key: ObjectKey, content: ObjectContent) -> datetime:
    """Make the content the key's current version; return its time of modification.

    In the caller's transaction, which holds the bucket and whatever the content names.
    """
    cursor = await conn.execute(_PUT, _columns([(bucket_id, key, content)]), binary=True)
    row = await cursor.fetchone()
    assert row is not None, "an upsert returns its row"
    modified: datetime = row[0]
    return modified


async def put_new(
    conn: Connection, bucket_id: int, key: ObjectKey, content: ObjectContent
) -> datetime | None:
    """Do as put() where the key holds nothing; None where it does, or came to meanwhile."""
    cursor = await conn.execute(_PUT_NEW, _columns([(bucket_id, key, content)]), binary=True)
    row = await cursor.fetchone()
    return None if row is None else row[0]


def _columns(rows: Sequence[tuple[int, ObjectKey, ObjectContent]]) -> dict[str, Any]:
    """Return the parameters of _PUT: one array a column."""
    contents = [content for _, _, content in rows]
    bodies = [content.body for content in contents]
    checksums = [content.checksum for content in contents]
    return {
        "bucket_ids": [bucket_id for bucket_id, _, _ in rows],
        "keys": [key for _, key, _ in rows],
        "sizes": [content.size for content in contents],
        "etags": [content.etag for content in contents],
        "storage_classes": [content.storage_class for content in contents],
        "headers": [orjson.dumps(content.headers).decode() for content in contents],
        "user_metadata": [orjson.dumps(content.user_metadata).decode() for content in contents],
        "tags": [_tags(content.tags) for content in contents],
        "checksum_algorithms": [checksum and str(checksum.algorithm) for checksum in checksums],
        "checksum_types": [checksum and str(checksum.type) for checksum in checksums],
        "checksums": [checksum and checksum.value for checksum in checksums],
        "bodies": [body.data if isinstance(body, InlineBody) else None for body in bodies],
        "digests": [body.blob.digest if isinstance(body, BlobBody) else None for body in bodies],
        "manifest_ids": [
            body.manifest_id if isinstance(body, ManifestBody) else None for body in bodies
        ],
        "parts": [body.parts if isinstance(body, ManifestBody) else None for body in bodies],
    }


def _tags(tags: Mapping[str, str]) -> str | None:
    # Most objects have none, and their writes and reads pay for none.
    return orjson.dumps(tags).decode() if tags else None


# Last-Modified and ETag stay. The row is locked until the transaction ends.
_SET_TAGS: Final[LiteralString] = """
    UPDATE object_version
       SET tags = %(tags)s::jsonb
     WHERE bucket_id = %(bucket_id)s AND key = %(key)s AND is_current AND NOT is_delete_marker
"""


async def set_tags(
    conn: Connection, bucket_id: int, key: ObjectKey, tags: Mapping[str, str]
) -> bool:
    """Give the key's current version these tags alone; False where the key holds nothing.

    In the caller's transaction.
    """
    cursor = await conn.execute(
        _SET_TAGS, {"bucket_id": bucket_id, "key": key, "tags": _tags(tags)}, prepare=True
    )
    return cursor.rowcount > 0


# One probe of object_version_current; locks nothing where the key holds nothing.
_LOCK_CURRENT: Final[LiteralString] = f"""
    SELECT v.body, v.body IS NOT NULL, {_COLUMNS}
      FROM object_version v
      LEFT JOIN blob b ON b.digest = v.digest
     WHERE v.bucket_id = %(bucket_id)s AND v.key = %(key)s AND v.is_current
       AND NOT v.is_delete_marker
       FOR UPDATE OF v
"""


async def lock_current(conn: Connection, bucket_id: int, key: ObjectKey) -> ObjectVersion | None:
    """Return the current version with its body, locked until the transaction ends, or None.

    None locks nothing: two first writers of a key meet at the index, not here.
    """
    cursor = conn.cursor(binary=True)
    await cursor.execute(_LOCK_CURRENT, {"bucket_id": bucket_id, "key": key})
    row = await cursor.fetchone()
    return None if row is None else _version(row[0], bool(row[1]), row[2:])


_DELETE_CURRENT: Final[LiteralString] = """
    DELETE FROM object_version
     WHERE bucket_id = %(bucket_id)s AND key = %(key)s AND is_current
"""


async def delete_current(conn: Connection, bucket_id: int, key: ObjectKey) -> None:
    """Leave the key holding nothing, in the caller's transaction."""
    await conn.execute(_DELETE_CURRENT, {"bucket_id": bucket_id, "key": key})


# FOR UPDATE after ORDER BY takes the locks in the order in which _PUT takes them.
_DELETE: Final[LiteralString] = """
    WITH guard AS MATERIALIZED (
        SELECT settings_hold(%(revision)s, %(bucket_ids)b::bigint[]) AS holds
    ), doomed AS MATERIALIZED (
        SELECT v.bucket_id, v.key
          FROM unnest(%(bucket_ids)b::bigint[], %(keys)b::text[]) AS q (bucket_id, key)
          JOIN object_version v ON v.bucket_id = q.bucket_id AND v.key = q.key AND v.is_current
         WHERE (SELECT holds FROM guard)
         ORDER BY v.bucket_id, v.key
           FOR UPDATE OF v
    ), gone AS (
        DELETE FROM object_version v
         USING doomed d
         WHERE v.bucket_id = d.bucket_id AND v.key = d.key AND v.is_current
    )
    SELECT holds FROM guard
"""


async def delete_all(conn: Connection, questions: Sequence[Delete]) -> list[bool]:
    """Leave each key holding nothing, and commit; False where the revision moved.

    A key that held nothing is deleted all the same.
    """
    newest = max(question.revision for question in questions)
    current = [question for question in questions if question.revision == newest]
    cursor = await conn.execute(
        _DELETE,
        {
            "revision": newest,
            "bucket_ids": [question.bucket_id for question in current],
            "keys": [question.key for question in current],
        },
        prepare=True,
        binary=True,
    )
    row = await cursor.fetchone()
    held = row is not None and bool(row[0])
    return [held and question.revision == newest for question in questions]
