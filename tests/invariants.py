"""Looks at both sides of a server, database and disk, and names every invariant that is broken.

Slow, simple, and with no code of the server's own: it would have the server's mistakes.
"""

import asyncio
import hashlib
from pathlib import Path

import psycopg

_MISSING_PARTS = """
    SELECT v.key FROM object_version v
     WHERE v.manifest_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM part p
                        WHERE p.manifest_id = v.manifest_id AND first_byte IS NOT NULL
                       HAVING (sum(p.size), count(*)) = (v.size, v.parts))
"""
_MISPLACED_PARTS = """
    SELECT manifest_id || '/' || number
      FROM (SELECT *, sum(size) OVER (PARTITION BY manifest_id ORDER BY number) - size AS place
              FROM part WHERE first_byte IS NOT NULL) AS p
     WHERE first_byte <> place
"""
_INCOMPLETE_PARTS = """
    SELECT manifest_id || '/' || number
      FROM part p
     WHERE size <> (SELECT coalesce(sum(length), 0) FROM slice s
                     WHERE (s.manifest_id, s.number) = (p.manifest_id, p.number))
"""
_SLICES_BEYOND_THEIR_BLOB = """
    SELECT encode(digest, 'hex') FROM slice s JOIN blob b USING (digest)
     WHERE s.blob_byte + s.length > b.size
"""
_OBJECTS_WITHOUT_BUCKET = """
    SELECT key FROM object_version v
     WHERE NOT EXISTS (SELECT FROM bucket b WHERE b.id = v.bucket_id)
"""
_NAMED_BUT_TRASHED = """
    SELECT encode(digest, 'hex') FROM blob b
     WHERE trashed IS NOT NULL
       AND (EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
            OR EXISTS (SELECT FROM slice s WHERE s.digest = b.digest))
"""
_NAMED_BY_NOTHING = """
    SELECT 'blob ' || encode(digest, 'hex') FROM blob b
     WHERE trashed IS NULL
       AND NOT EXISTS (SELECT FROM object_version v WHERE v.digest = b.digest)
       AND NOT EXISTS (SELECT FROM slice s WHERE s.digest = b.digest)
       AND NOT EXISTS (SELECT FROM released_blob r WHERE r.digest = b.digest)
     UNION ALL
    SELECT 'manifest ' || id FROM manifest m
     WHERE NOT EXISTS (SELECT FROM object_version v WHERE v.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM multipart_upload u WHERE u.manifest_id = m.id)
       AND NOT EXISTS (SELECT FROM released_manifest r WHERE r.manifest_id = m.id)
"""
_LEFT_FOR_THE_SWEEP = """
    SELECT 'released ' || encode(digest, 'hex') FROM released_blob
     UNION ALL SELECT 'released manifest ' || manifest_id FROM released_manifest
     UNION ALL SELECT 'trashed ' || encode(digest, 'hex') FROM blob WHERE trashed IS NOT NULL
"""
_BLOBS = "SELECT digest, size, trashed IS NOT NULL FROM blob"


def broken(database_url: str, blobs: Path) -> list[str]:
    """Return what is wrong with a server to which no request is under way.

    Files that no row names are not wrong: a crash may leave them. See leftovers().
    """
    found = []
    with psycopg.connect(database_url) as conn:
        for what, query in (
            ("object without its parts", _MISSING_PARTS),
            ("part at another place", _MISPLACED_PARTS),
            ("part without its bytes", _INCOMPLETE_PARTS),
            ("slice beyond its blob", _SLICES_BEYOND_THEIR_BLOB),
            ("object in no bucket", _OBJECTS_WITHOUT_BUCKET),
            ("named although trashed", _NAMED_BUT_TRASHED),
            ("nothing names it and nobody will look", _NAMED_BY_NOTHING),
        ):
            found += [f"{what}: {row[0]}" for row in conn.execute(query.encode())]
        rows = conn.execute(_BLOBS).fetchall()
    for digest, size, trashed in rows:
        if not trashed:
            found += _wrong_file(blobs, digest.hex(), size)
    return found


def leftovers(database_url: str, blobs: Path) -> list[str]:
    """Return what a sweep without grace, after the last request, should have removed."""
    with psycopg.connect(database_url) as conn:
        found = [row[0] for row in conn.execute(_LEFT_FOR_THE_SWEEP)]
        living = {row[0].hex() for row in conn.execute(_BLOBS) if not row[2]}
    for path in blobs.rglob("*"):
        if path.is_file() and path.name not in ("layout", "database"):
            at_its_place = path.parent.name == path.name[:2] and path.name in living
            found += [] if at_its_place else [f"file {path.relative_to(blobs)}"]
    return found


async def leftovers_in_the_end(
    database_url: str, blobs: Path, *, within_seconds: float = 15
) -> list[str]:
    """Return what is left over once nothing is, or once the time is over."""
    deadline = asyncio.get_running_loop().time() + within_seconds
    while found := leftovers(database_url, blobs):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.2)
    return found


def _wrong_file(blobs: Path, name: str, size: int) -> list[str]:
    for path in (blobs / name[:2] / name, blobs / "trash" / name):
        if path.exists():
            data = path.read_bytes()
            is_right = hashlib.sha256(data).hexdigest() == name and len(data) == size
            return [] if is_right else [f"file with other bytes: {name}"]
    return [f"no file: {name}"]
