"""Pages of keys, in UTF-8 order, at a cost that grows with what they return.

A page is a range scan of object_version_current, which covers the columns that a listing shows.
With a delimiter the scan leaps over each common prefix instead of walking through it.
"""

from typing import Any, Final, LiteralString

from server.metadata.connection import Connection
from server.model.checksum import ChecksumAlgorithm, ChecksumType
from server.model.listing import ListedObject, Page
from server.model.names import ETag, ObjectKey

# Above every key: a key has at most 1,024 bytes. A sentinel, because "OR end IS NULL" would turn
# the end of the range into a filter, and the scan would run on to the end of the bucket.
AFTER_EVERY_KEY: Final = "\U0010ffff" * 257

# A third of what calling the enumeration costs, for each of a thousand rows.
_ALGORITHMS: Final = {str(each): each for each in ChecksumAlgorithm}
_TYPES: Final = {str(each): each for each in ChecksumType}

_COLUMNS: Final[LiteralString] = """
    v.key, v.last_modified, v.etag, v.size, v.storage_class, v.checksum_algorithm, v.checksum_type
"""

_PLAIN: Final[LiteralString] = f"""
    SELECT {_COLUMNS}
      FROM object_version v
     WHERE v.bucket_id = %(bucket_id)s AND v.is_current AND NOT v.is_delete_marker
       AND v.key >= %(start)s AND v.key < %(end)s
     ORDER BY v.key
     LIMIT %(limit)s
"""

# Each step probes the index once, for the first key at or after a position. The position after a
# key is the key with U+0001 behind it (no key holds U+0000, so nothing lies between); the position
# after a common prefix is the prefix with its delimiter replaced by what follows the delimiter.
_ROLLED_UP: Final[LiteralString] = f"""
    WITH RECURSIVE walk AS (
        SELECT 0::bigint AS n, NULL::text COLLATE "C" AS key, NULL::timestamptz AS last_modified,
               NULL::text COLLATE "C" AS etag, NULL::bigint AS size, NULL::text AS storage_class,
               NULL::text AS checksum_algorithm, NULL::text AS checksum_type,
               NULL::text COLLATE "C" AS common_prefix, %(start)s::text COLLATE "C" AS position
        UNION ALL
        SELECT w.n + 1, found.key, found.last_modified, found.etag, found.size,
               found.storage_class, found.checksum_algorithm, found.checksum_type,
               CASE WHEN rest.at > 0
                    THEN left(found.key, %(before)s + rest.at - 1) || %(delimiter)s END COLLATE "C",
               CASE WHEN rest.at > 0
                    THEN left(found.key, %(before)s + rest.at - 1) || %(delimiter_end)s
                    ELSE found.key || U&'\\0001' END COLLATE "C"
          FROM walk w
         CROSS JOIN LATERAL (
               SELECT {_COLUMNS}
                 FROM object_version v
                WHERE v.bucket_id = %(bucket_id)s AND v.is_current AND NOT v.is_delete_marker
                  AND v.key >= w.position AND v.key < %(end)s
                ORDER BY v.key
                LIMIT 1
               ) AS found
         CROSS JOIN LATERAL (
               SELECT strpos(substr(found.key, %(before)s + 1), %(delimiter)s) AS at
               ) AS rest
         WHERE w.n < %(limit)s
    )
    SELECT key, last_modified, etag, size, storage_class, checksum_algorithm, checksum_type,
           common_prefix
      FROM walk
     WHERE n > 0
     ORDER BY n
"""


async def page(
    conn: Connection, bucket_id: int, *, start: str, end: str | None, limit: int
) -> Page[ListedObject]:
    """Return at most limit objects whose keys lie in start <= key < end.

    end: None for no end.
    """
    values = _range(bucket_id, start, end, limit)
    cursor = conn.cursor(binary=True)
    await cursor.execute(_PLAIN, values, prepare=True)
    rows = await cursor.fetchall()
    return Page(tuple(_listed(row) for row in rows[:limit]), (), len(rows) > limit)


async def rolled_up_page(
    conn: Connection,
    bucket_id: int,
    *,
    start: str,
    end: str | None,
    limit: int,
    prefix: str,
    delimiter: str,
    delimiter_end: str,
) -> Page[ListedObject]:
    """Return a page in which keys that share a prefix up to the delimiter count as one entry.

    delimiter_end: the smallest string above every string that begins with the delimiter.
    limit: objects and common prefixes together.
    """
    values = _range(bucket_id, start, end, limit)
    values |= {"before": len(prefix), "delimiter": delimiter, "delimiter_end": delimiter_end}
    cursor = conn.cursor(binary=True)
    await cursor.execute(_ROLLED_UP, values, prepare=True)
    rows = await cursor.fetchall()
    return Page(
        tuple(_listed(row[:7]) for row in rows[:limit] if row[7] is None),
        tuple(row[7] for row in rows[:limit] if row[7] is not None),
        len(rows) > limit,
    )


def _range(bucket_id: int, start: str, end: str | None, limit: int) -> dict[str, Any]:
    # One entry more than asked for tells whether the page is the last.
    return {
        "bucket_id": bucket_id,
        "start": start,
        "end": AFTER_EVERY_KEY if end is None else end,
        "limit": limit + 1,
    }


def _listed(row: tuple[Any, ...]) -> ListedObject:
    key, last_modified, etag, size, storage_class, algorithm, kind = row
    return ListedObject(
        ObjectKey(key),
        last_modified,
        ETag(etag),
        size,
        storage_class,
        None if algorithm is None else _ALGORITHMS[algorithm],
        None if kind is None else _TYPES[kind],
    )
