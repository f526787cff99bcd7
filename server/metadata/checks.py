"""What `s3d check` asks the rows: each query returns the cases of one broken invariant.

A query is one statement, and so one snapshot: every write of this server is one transaction, so
what is under way is not seen at all or seen whole, and nothing needs a second look. The rows come
through a server-side cursor: memory does not grow with what is broken.
"""

from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Final, LiteralString

from server.metadata.connection import Connection
from server.model.invariant import Finding, Invariant

_FETCHED: Final = 500

_OBJECT: Final[LiteralString] = """
    coalesce((SELECT name FROM bucket WHERE id = v.bucket_id), 'bucket ' || v.bucket_id)
    || '/' || v.key
"""

_PART: Final[LiteralString] = "manifest_id || '/' || number"

_NAMED_WITHOUT_BLOB: Final[LiteralString] = f"""
    SELECT {_OBJECT}, 'it names ' || encode(v.digest, 'hex')
      FROM object_version v
     WHERE v.digest IS NOT NULL AND NOT EXISTS (SELECT FROM blob b WHERE b.digest = v.digest)
     UNION ALL
    SELECT 'part ' || {_PART}, 'it names ' || encode(s.digest, 'hex')
      FROM slice s
     WHERE NOT EXISTS (SELECT FROM blob b WHERE b.digest = s.digest)
"""

_OBJECT_WITHOUT_PARTS: Final[LiteralString] = f"""
    SELECT {_OBJECT}, 'manifest ' || v.manifest_id
      FROM object_version v
     WHERE v.manifest_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM part p
                        WHERE p.manifest_id = v.manifest_id AND first_byte IS NOT NULL
                       HAVING (sum(p.size), count(*)) = (v.size, v.parts))
"""

_PART_WITHOUT_BYTES: Final[LiteralString] = f"""
    SELECT {_PART}, 'it has ' || size || ' bytes'
      FROM part p
     WHERE size <> (SELECT coalesce(sum(length), 0) FROM slice s
                     WHERE s.manifest_id = p.manifest_id AND s.number = p.number)
"""

_SLICE_BEYOND_BLOB: Final[LiteralString] = f"""
    SELECT {_PART}, encode(s.digest, 'hex') || ' has ' || b.size || ' bytes'
      FROM slice s
      JOIN blob b USING (digest)
     WHERE s.blob_byte < 0 OR s.blob_byte + s.length > b.size
"""

_MISPLACED_PART: Final[LiteralString] = f"""
    SELECT {_PART}, 'at ' || first_byte || ' instead of ' || place
      FROM (SELECT manifest_id, number, first_byte,
                   sum(size) OVER (PARTITION BY manifest_id ORDER BY number) - size AS place
              FROM part WHERE first_byte IS NOT NULL) AS p
     WHERE first_byte <> place
"""

_MISPLACED_SLICE: Final[LiteralString] = f"""
    SELECT {_PART}, 'at ' || part_byte || ' instead of ' || place
      FROM (SELECT manifest_id, number, part_byte,
                   sum(length) OVER (PARTITION BY manifest_id, number ORDER BY part_byte)
                   - length AS place
              FROM slice) AS s
     WHERE part_byte <> place
"""

_OBJECT_OF_ANOTHER_SIZE: Final[LiteralString] = f"""
    SELECT {_OBJECT},
           v.size || ' bytes, and its body has ' || coalesce(octet_length(v.body), b.size)
      FROM object_version v
      LEFT JOIN blob b ON b.digest = v.digest
     WHERE v.size <> coalesce(octet_length(v.body), b.size)
"""

_OBJECT_IN_NO_BUCKET: Final[LiteralString] = f"""
    SELECT {_OBJECT}, ''
      FROM object_version v
     WHERE NOT EXISTS (SELECT FROM bucket k WHERE k.id = v.bucket_id)
"""

_NAMED_ALTHOUGH_TRASHED: Final[LiteralString] = """
    SELECT encode(digest, 'hex'), ''
      FROM blob b
     WHERE trashed IS NOT NULL
       AND (EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
            OR EXISTS (SELECT FROM slice s WHERE s.digest = b.digest))
"""

# Counted in the table: the index that forbids it would be the last to know.
_TWO_CURRENT_VERSIONS: Final[LiteralString] = f"""
    SELECT {_OBJECT}, v.versions || ' of them'
      FROM (SELECT bucket_id, key, count(*) AS versions
              FROM object_version WHERE is_current
             GROUP BY bucket_id, key HAVING count(*) > 1) AS v
"""

_NAMED_BY_NOTHING: Final[LiteralString] = """
    SELECT encode(digest, 'hex'), 'blob'
      FROM blob b
     WHERE trashed IS NULL
       AND NOT EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
       AND NOT EXISTS (SELECT FROM slice s WHERE s.digest = b.digest)
       AND NOT EXISTS (SELECT FROM released_blob r WHERE r.digest = b.digest)
     UNION ALL
    SELECT id::text, 'manifest'
      FROM manifest m
     WHERE NOT EXISTS (SELECT FROM object_version v WHERE v.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM multipart_upload u WHERE u.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM released_manifest r WHERE r.manifest_id = m.id)
"""

# Manifests wait for the grace of the trash, which may be longer than a day.
_RELEASED_AND_FORGOTTEN: Final[LiteralString] = """
    SELECT encode(digest, 'hex'), 'released ' || released
      FROM released_blob
     WHERE released < now() - interval '1 day'
"""

_TRIGGER_OFF: Final[LiteralString] = """
    SELECT name, ''
      FROM unnest(ARRAY['object_version_deleted_digest', 'object_version_replaced_digest',
                        'object_version_deleted_manifest', 'object_version_replaced_manifest',
                        'multipart_upload_deleted', 'slice_deleted']) AS name
     WHERE NOT EXISTS (SELECT FROM pg_trigger t
                        WHERE t.tgname = name AND t.tgenabled IN ('O', 'A')
                          AND t.tgrelid IN (to_regclass('object_version'), to_regclass('slice'),
                                            to_regclass('multipart_upload')))
"""

_BLOCK_CRCS_OF_ANOTHER_LENGTH: Final[LiteralString] = """
    SELECT encode(digest, 'hex'), octet_length(block_crcs) || ' bytes of them'
      FROM blob
     WHERE octet_length(block_crcs) <> 8 * ((size + 1048575) / 1048576)
"""

_FOUND_BY_THE_SCRUB: Final[LiteralString] = """
    SELECT encode(digest, 'hex'), 'the scrub found it rotten at ' || rotten
      FROM blob
     WHERE rotten IS NOT NULL AND trashed IS NULL
"""

ROWS: Final[Mapping[Invariant, LiteralString]] = MappingProxyType(
    {
        Invariant.NamedWithoutBlob: _NAMED_WITHOUT_BLOB,
        Invariant.ObjectWithoutParts: _OBJECT_WITHOUT_PARTS,
        Invariant.PartWithoutBytes: _PART_WITHOUT_BYTES,
        Invariant.SliceBeyondBlob: _SLICE_BEYOND_BLOB,
        Invariant.MisplacedPart: _MISPLACED_PART,
        Invariant.MisplacedSlice: _MISPLACED_SLICE,
        Invariant.ObjectOfAnotherSize: _OBJECT_OF_ANOTHER_SIZE,
        Invariant.ObjectInNoBucket: _OBJECT_IN_NO_BUCKET,
        Invariant.NamedAlthoughTrashed: _NAMED_ALTHOUGH_TRASHED,
        Invariant.TwoCurrentVersions: _TWO_CURRENT_VERSIONS,
        Invariant.NamedByNothing: _NAMED_BY_NOTHING,
        Invariant.ReleasedAndForgotten: _RELEASED_AND_FORGOTTEN,
        Invariant.TriggerOff: _TRIGGER_OFF,
        Invariant.BlockCrcsOfAnotherLength: _BLOCK_CRCS_OF_ANOTHER_LENGTH,
        Invariant.RottenBlob: _FOUND_BY_THE_SCRUB,
    }
)


# For what the table itself must say: an index that misses rows would hide them.
_WITHOUT_INDEXES: Final[LiteralString] = """
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off
"""

_WITH_INDEXES: Final[LiteralString] = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_indexscan = on;
    SET LOCAL enable_indexonlyscan = on
"""

_IS_USABLE: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM pg_index
                    WHERE indexrelid = to_regclass(%(name)s) AND indisvalid AND indisready)
"""

# By index: what counts its rows, and can be answered by no other index of the table.
INDEXES: Final[Mapping[LiteralString, LiteralString]] = MappingProxyType(
    {
        "object_version_current": "SELECT count(*) FROM object_version WHERE is_current",
        "object_version_noncurrent": "SELECT count(*) FROM object_version WHERE NOT is_current",
        "object_version_digest": "SELECT count(*) FROM object_version WHERE digest IS NOT NULL",
        "object_version_manifest": """
            SELECT count(*) FROM object_version WHERE manifest_id IS NOT NULL
        """,
        "blob_pkey": "SELECT count(*) FROM blob WHERE digest >= ''::bytea",
        "blob_trashed": "SELECT count(*) FROM blob WHERE trashed IS NOT NULL",
        "blob_rotten": "SELECT count(*) FROM blob WHERE rotten IS NOT NULL",
        "blob_seen_whole": """
            SELECT count(*) FROM blob WHERE trashed IS NULL AND rotten IS NULL
        """,
        "manifest_pkey": "SELECT count(*) FROM manifest WHERE id >= 0",
        "part_pkey": "SELECT count(*) FROM part WHERE manifest_id >= 0",
        "part_first_byte": "SELECT count(*) FROM part WHERE first_byte IS NOT NULL",
        "slice_pkey": "SELECT count(*) FROM slice WHERE manifest_id >= 0",
        "slice_digest": "SELECT count(*) FROM slice WHERE digest >= ''::bytea",
        "multipart_upload_upload_id_key": """
            SELECT count(*) FROM multipart_upload WHERE upload_id >= ''
        """,
        "multipart_upload_listing": """
            SELECT count(*) FROM multipart_upload WHERE completed IS NULL
        """,
        "multipart_upload_completed": """
            SELECT count(*) FROM multipart_upload WHERE completed IS NOT NULL
        """,
        "multipart_upload_manifest": """
            SELECT count(*) FROM multipart_upload WHERE manifest_id IS NOT NULL
        """,
        "released_blob_released": """
            SELECT count(*) FROM released_blob WHERE released >= '-infinity'
        """,
        "released_manifest_released": """
            SELECT count(*) FROM released_manifest WHERE released >= '-infinity'
        """,
        "bucket_name_key": "SELECT count(*) FROM bucket WHERE name >= ''",
    }
)

_LOOKED_AT: Final[LiteralString] = """
    SELECT (SELECT count(*) FROM bucket), (SELECT count(*) FROM object_version),
           (SELECT count(*) FROM multipart_upload WHERE completed IS NULL)
"""


async def cases(conn: Connection, invariant: Invariant) -> AsyncGenerator[Finding, None]:
    """Yield every case of a broken invariant of ROWS, in a scan of the caller's for it."""
    if invariant is Invariant.TwoCurrentVersions:
        await conn.execute(_WITHOUT_INDEXES)
    async with conn.cursor(name="check") as cursor:
        cursor.itersize = _FETCHED
        await cursor.execute(ROWS[invariant])
        async for subject, detail in cursor:
            yield Finding(invariant, subject, detail)


async def index_fault(conn: Connection, name: LiteralString) -> str | None:
    """Return what is wrong with an index of INDEXES, or None, in a scan of its own.

    Compares how many rows the table has and how many the index knows, in one snapshot.
    """
    await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    usable = await (await conn.execute(_IS_USABLE, {"name": name})).fetchone()
    if usable is None or not usable[0]:
        return "it is not there, or not valid"
    await conn.execute(_WITHOUT_INDEXES)
    in_table = await _count(conn, INDEXES[name])
    await conn.execute(_WITH_INDEXES)
    in_index = await _count(conn, INDEXES[name])
    return None if in_index == in_table else f"it knows {in_index} of {in_table} rows"


async def looked_at(conn: Connection) -> tuple[int, int, int]:
    """Return how many buckets, objects and uploads in progress there are; in a scan."""
    row = await (await conn.execute(_LOOKED_AT)).fetchone()
    assert row is not None, "counts always are a row"
    return row[0], row[1], row[2]


async def _count(conn: Connection, query: LiteralString) -> int:
    row = await (await conn.execute(query)).fetchone()
    assert row is not None, "a count is a row"
    return int(row[0])
