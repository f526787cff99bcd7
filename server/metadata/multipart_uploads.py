"""Tables multipart_upload, part and slice while an upload is in progress.

Order of locks: the upload, then digests, then the key. UploadPart shares the upload's row; whoever
ends the upload locks it alone, so no part arrives behind a Complete or an Abort.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import orjson

from server.metadata.connection import Connection
from server.metadata.listings import AFTER_EVERY_KEY
from server.model.blob import Slice
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.listing import ListedUpload, Page
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import ETag, ObjectKey, UploadId
from server.rules.positions import prefix_end


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """An upload that was completed: what is answered to a client that asks again."""

    parts_digest: bytes  # SHA-256 of the part list that was completed
    etag: ETag
    checksum: Checksum | None


_COLUMNS: Final[LiteralString] = """
    id, upload_id, key, manifest_id, initiated, storage_class, headers, user_metadata,
    checksum_algorithm, checksum_type, tags
"""

_CREATE: Final[LiteralString] = """
    WITH made AS (INSERT INTO manifest DEFAULT VALUES RETURNING id)
    INSERT INTO multipart_upload
           (upload_id, bucket_id, key, manifest_id, storage_class, headers, user_metadata,
            checksum_algorithm, checksum_type, tags)
    SELECT %(upload_id)s, %(bucket_id)s, %(key)s, made.id, %(storage_class)s,
           %(headers)s::jsonb, %(user_metadata)s::jsonb, %(checksum_algorithm)s, %(checksum_type)s,
           %(tags)s::jsonb
      FROM made
"""

_FIND: Final[LiteralString] = f"""
    SELECT {_COLUMNS}
      FROM multipart_upload
     WHERE upload_id = %(upload_id)s AND bucket_id = %(bucket_id)s AND key = %(key)s
       AND completed IS NULL
"""

_LOCK: Final[LiteralString] = f"""
    SELECT {_COLUMNS}, completed_parts, etag, checksum
      FROM multipart_upload
     WHERE upload_id = %(upload_id)s AND bucket_id = %(bucket_id)s AND key = %(key)s
       FOR UPDATE
"""

_PUT_PART: Final[LiteralString] = """
    INSERT INTO part (manifest_id, number, size, etag, checksum_algorithm, checksum)
    VALUES (%(manifest_id)s, %(number)s, %(size)s, %(etag)s, %(checksum_algorithm)s, %(checksum)s)
        ON CONFLICT (manifest_id, number) DO UPDATE
       SET size = EXCLUDED.size, etag = EXCLUDED.etag, last_modified = EXCLUDED.last_modified,
           checksum_algorithm = EXCLUDED.checksum_algorithm, checksum = EXCLUDED.checksum
    RETURNING last_modified
"""

_DELETE_SLICES: Final[LiteralString] = """
    DELETE FROM slice WHERE manifest_id = %(manifest_id)s AND number = %(number)s
"""

_PUT_SLICES: Final[LiteralString] = """
    INSERT INTO slice (manifest_id, number, part_byte, digest, blob_byte, length)
    SELECT %(manifest_id)s, %(number)s, q.part_byte, q.digest, q.blob_byte, q.length
      FROM unnest(%(part_bytes)s::bigint[], %(digests)b::bytea[], %(blob_bytes)s::bigint[],
                  %(lengths)s::bigint[]) AS q (part_byte, digest, blob_byte, length)
"""

_DROP_OTHER_PARTS: Final[LiteralString] = """
    DELETE FROM part WHERE manifest_id = %(manifest_id)s AND NOT number = ANY(%(numbers)s::int[])
"""

_PLACE_PARTS: Final[LiteralString] = """
    UPDATE part
       SET first_byte = placed.first_byte
      FROM (SELECT number, sum(size) OVER (ORDER BY number) - size AS first_byte
              FROM part WHERE manifest_id = %(manifest_id)s) AS placed
     WHERE part.manifest_id = %(manifest_id)s AND part.number = placed.number
"""

_FINISH: Final[LiteralString] = """
    UPDATE multipart_upload
       SET completed = now(), manifest_id = NULL, completed_parts = %(parts_digest)s,
           etag = %(etag)s, checksum_algorithm = %(checksum_algorithm)s,
           checksum_type = %(checksum_type)s, checksum = %(checksum)s
     WHERE id = %(id)s
"""

_DELETE: Final[LiteralString] = "DELETE FROM multipart_upload WHERE id = %(id)s"

# Index multipart_upload_listing.
_PAGE: Final[LiteralString] = """
    SELECT id, key, upload_id, initiated, storage_class, checksum_algorithm, checksum_type
      FROM multipart_upload
     WHERE bucket_id = %(bucket_id)s AND completed IS NULL
       AND key >= %(start)s AND key < %(end)s AND (key, id) > (%(key)s, %(id)s)
     ORDER BY key, id
     LIMIT %(limit)s
"""

# Uploads that are read at once where the next one may be the first of a prefix to leap over.
_BEFORE_A_LEAP: Final = 16

_ID_OF: Final[LiteralString] = """
    SELECT id FROM multipart_upload WHERE bucket_id = %(bucket_id)s AND upload_id = %(upload_id)s
"""


async def create(
    conn: Connection,
    bucket_id: int,
    key: ObjectKey,
    *,
    upload_id: UploadId,
    storage_class: str,
    headers: dict[str, str],
    user_metadata: dict[str, str],
    tags: dict[str, str],
    checksum_algorithm: ChecksumAlgorithm | None,
    checksum_type: ChecksumType | None,
) -> None:
    """Begin an upload with no parts, in the caller's transaction."""
    await conn.execute(
        _CREATE,
        {
            "upload_id": upload_id,
            "bucket_id": bucket_id,
            "key": key,
            "storage_class": storage_class,
            "headers": orjson.dumps(headers).decode(),
            "user_metadata": orjson.dumps(user_metadata).decode(),
            "checksum_algorithm": checksum_algorithm and str(checksum_algorithm),
            "checksum_type": checksum_type and str(checksum_type),
            "tags": orjson.dumps(tags).decode() if tags else None,
        },
    )


async def find(
    conn: Connection, bucket_id: int, key: ObjectKey, upload_id: UploadId
) -> MultipartUpload | None:
    """Return the upload in progress, or None."""
    return await _find(conn, _FIND, bucket_id, key, upload_id)


async def share(
    conn: Connection, bucket_id: int, key: ObjectKey, upload_id: UploadId
) -> MultipartUpload | None:
    """Return the upload, which cannot be completed or aborted until the transaction ends."""
    return await _find(conn, _FIND + " FOR SHARE", bucket_id, key, upload_id)


async def _find(
    conn: Connection, query: LiteralString, bucket_id: int, key: ObjectKey, upload_id: UploadId
) -> MultipartUpload | None:
    values = {"bucket_id": bucket_id, "key": key, "upload_id": upload_id}
    row = await (await conn.execute(query, values)).fetchone()
    return None if row is None else _upload(row)


async def lock(
    conn: Connection, bucket_id: int, key: ObjectKey, upload_id: UploadId
) -> MultipartUpload | CompletedUpload | None:
    """Return the upload, locked alone until the transaction ends, or what became of it."""
    values = {"bucket_id": bucket_id, "key": key, "upload_id": upload_id}
    row = await (await conn.execute(_LOCK, values)).fetchone()
    if row is None:
        return None
    if row[11] is None:
        return _upload(row[:11])
    algorithm, kind, value = row[8], row[9], row[13]
    checksum = None
    if value is not None:
        checksum = Checksum(ChecksumAlgorithm(algorithm), ChecksumType(kind), value)
    return CompletedUpload(bytes(row[11]), ETag(row[12]), checksum)


async def put_part(
    conn: Connection, upload: MultipartUpload, part: Part, slices: Sequence[Slice]
) -> datetime:
    """Store the part, replacing one of the same number; return its time of modification.

    The caller shares the upload and locked the digests. part.last_modified is not used.
    """
    place = {"manifest_id": upload.manifest_id, "number": part.number}
    cursor = await conn.execute(
        _PUT_PART,
        place
        | {
            "size": part.size,
            "etag": part.etag,
            "checksum_algorithm": part.checksum_algorithm and str(part.checksum_algorithm),
            "checksum": part.checksum,
        },
    )
    row = await cursor.fetchone()
    assert row is not None, "an upsert returns its row"
    await conn.execute(_DELETE_SLICES, place)
    starts = [0]
    for piece in slices:
        starts.append(starts[-1] + piece.length)
    await conn.execute(
        _PUT_SLICES,
        place
        | {
            "part_bytes": starts[:-1],
            "digests": [piece.blob.digest for piece in slices],
            "blob_bytes": [piece.offset for piece in slices],
            "lengths": [piece.length for piece in slices],
        },
        binary=True,
    )
    modified: datetime = row[0]
    return modified


async def keep_only(conn: Connection, upload: MultipartUpload, numbers: Sequence[int]) -> None:
    """Drop the parts that are not named, and give the others their places in the object."""
    values = {"manifest_id": upload.manifest_id, "numbers": list(numbers)}
    await conn.execute(_DROP_OTHER_PARTS, values)
    await conn.execute(_PLACE_PARTS, values)


async def finish(conn: Connection, upload: MultipartUpload, completed: CompletedUpload) -> None:
    """Mark the upload as completed: its manifest belongs to the object from now on."""
    checksum = completed.checksum
    await conn.execute(
        _FINISH,
        {
            "id": upload.id,
            "parts_digest": completed.parts_digest,
            "etag": completed.etag,
            "checksum_algorithm": checksum and str(checksum.algorithm),
            "checksum_type": checksum and str(checksum.type),
            "checksum": checksum and checksum.value,
        },
        binary=True,
    )


async def delete(conn: Connection, upload: MultipartUpload) -> None:
    """Remove the upload; its parts are released by trigger and removed by the sweep."""
    await conn.execute(_DELETE, {"id": upload.id})


async def page(
    conn: Connection,
    bucket_id: int,
    *,
    start: str,
    end: str | None,
    after: tuple[str, int],
    limit: int,
    prefix: str,
    delimiter: str,
) -> Page[ListedUpload]:
    """Return at most limit uploads and common prefixes with start <= key < end, by key and time.

    end:   None for no end.
    after: a key, and the place of one of its uploads; those up to and including it are left out.
    delimiter: "" for none.
    """
    uploads: list[ListedUpload] = []
    prefixes: list[str] = []
    position = {"start": start, "key": after[0], "id": after[1]}
    values = {"bucket_id": bucket_id, "end": end or AFTER_EVERY_KEY}
    fetched = _BEFORE_A_LEAP if delimiter else limit + 1
    while True:
        values |= position | {"limit": fetched}
        rows = await (await conn.execute(_PAGE, values)).fetchall()
        skip_to = ""
        for row in rows:
            if row[1] < skip_to:
                continue
            if len(uploads) + len(prefixes) == limit:
                return Page(tuple(uploads), tuple(prefixes), is_truncated=True)
            at = row[1].find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                uploads.append(_listed(row[1:]))
                position = {"start": row[1], "key": row[1], "id": row[0]}
                continue
            # Leap over the prefix: at once within this page, by a new scan beyond it.
            prefixes.append(row[1][: at + len(delimiter)])
            skip_to = prefix_end(prefixes[-1]) or AFTER_EVERY_KEY
            position = {"start": skip_to, "key": "", "id": 0}
        if len(rows) < fetched:
            return Page(tuple(uploads), tuple(prefixes), is_truncated=False)
        fetched = _BEFORE_A_LEAP if skip_to else min(fetched * 2, limit + 1)


async def place_of(conn: Connection, bucket_id: int, upload_id: UploadId) -> int | None:
    """Return the place of an upload among those of its key, or None where it is gone."""
    values = {"bucket_id": bucket_id, "upload_id": upload_id}
    row = await (await conn.execute(_ID_OF, values)).fetchone()
    return None if row is None else row[0]


def _upload(row: Sequence[Any]) -> MultipartUpload:
    (upload_number, upload_id, key, manifest_id, initiated, storage_class) = row[:6]
    headers, user_metadata, algorithm, kind, tags = row[6:11]
    return MultipartUpload(
        id=upload_number,
        upload_id=UploadId(upload_id),
        key=ObjectKey(key),
        manifest_id=manifest_id,
        initiated=initiated,
        storage_class=storage_class,
        headers=headers,
        user_metadata=user_metadata,
        tags=tags or {},
        checksum_algorithm=None if algorithm is None else ChecksumAlgorithm(algorithm),
        checksum_type=None if kind is None else ChecksumType(kind),
    )


def _listed(row: Sequence[Any]) -> ListedUpload:
    key, upload_id, initiated, storage_class, algorithm, kind = row
    return ListedUpload(
        ObjectKey(key),
        UploadId(upload_id),
        initiated,
        storage_class,
        None if algorithm is None else ChecksumAlgorithm(algorithm),
        None if kind is None else ChecksumType(kind),
    )
