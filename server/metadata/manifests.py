"""Tables manifest, part and slice: which bytes of which blobs make up an object of parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from server.metadata.connection import Connection
from server.model.blob import Blob, Slice
from server.model.checksum import ChecksumAlgorithm
from server.model.multipart_upload import Part
from server.model.names import BlobDigest, ETag

# What one page of slices holds at most. A blob of 5 GiB brings 40 KiB of CRCs along.
_SLICES_A_PAGE: Final = 16


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part of a complete object, and where it begins in it."""

    part: Part
    first_byte: int


_PART_COLUMNS: Final[LiteralString] = """
    number, size, etag, last_modified, checksum_algorithm, checksum
"""

_NTH_PART: Final[LiteralString] = f"""
    SELECT {_PART_COLUMNS}, first_byte
      FROM part
     WHERE manifest_id = %(manifest_id)s AND first_byte IS NOT NULL
     ORDER BY number
    OFFSET %(before)s LIMIT 1
"""

_PARTS: Final[LiteralString] = f"""
    SELECT {_PART_COLUMNS}
      FROM part
     WHERE manifest_id = %(manifest_id)s AND number > %(after)s
     ORDER BY number
     LIMIT %(limit)s
"""

# Index part_first_byte finds the part that holds the first byte, and is then walked forward.
_SLICES: Final[LiteralString] = """
    SELECT p.first_byte + s.part_byte AS object_byte, s.blob_byte, s.length,
           s.digest, b.size, b.block_crcs
      FROM part p
      JOIN slice s USING (manifest_id, number)
      JOIN blob b USING (digest)
     WHERE p.manifest_id = %(manifest_id)s
       AND p.first_byte >= (SELECT max(first_byte) FROM part
                             WHERE manifest_id = %(manifest_id)s AND first_byte <= %(first)s
                               AND size > 0)
       AND p.first_byte <= %(last)s
       AND p.first_byte + s.part_byte + s.length > %(first)s
       AND p.first_byte + s.part_byte <= %(last)s
     ORDER BY p.first_byte, s.part_byte
     LIMIT %(limit)s
"""

_LOCK_FOR_REFERENCE: Final[LiteralString] = """
    SELECT id FROM manifest WHERE id = %(manifest_id)s FOR KEY SHARE
"""


async def nth_part(conn: Connection, manifest_id: int, nth: int) -> PlacedPart | None:
    """Return the nth part of a complete object, counted from 1 whatever its number, or None."""
    cursor = await conn.execute(_NTH_PART, {"manifest_id": manifest_id, "before": nth - 1})
    row = await cursor.fetchone()
    return None if row is None else PlacedPart(part_of(row[:6]), row[6])


async def parts(
    conn: Connection, manifest_id: int, *, after: int, limit: int
) -> tuple[Sequence[Part], bool]:
    """Return at most limit parts with numbers above `after`, by number, and whether more follow.

    limit: 0 is followed by nothing, as a listing of no keys: its reader would go on for ever.
    """
    cursor = await conn.execute(
        _PARTS, {"manifest_id": manifest_id, "after": after, "limit": limit + 1}
    )
    rows = await cursor.fetchall()
    return [part_of(row) for row in rows[:limit]], 0 < limit < len(rows)


async def slices(conn: Connection, manifest_id: int, *, first: int, last: int) -> Sequence[Slice]:
    """Return the first few slices that hold the bytes first to last, both inclusive, of an object.

    They are cut to the range. Ask again from the byte after them; none means that the manifest is
    gone.
    """
    cursor = await conn.execute(
        _SLICES,
        {"manifest_id": manifest_id, "first": first, "last": last, "limit": _SLICES_A_PAGE},
        prepare=True,
        binary=True,
    )
    return [_cut(row, first, last) for row in await cursor.fetchall()]


async def lock_for_reference(conn: Connection, manifest_id: int) -> bool:
    """Return whether the manifest is there; it then stays until the transaction ends."""
    cursor = await conn.execute(_LOCK_FOR_REFERENCE, {"manifest_id": manifest_id})
    return await cursor.fetchone() is not None


def part_of(row: Sequence[Any]) -> Part:
    """Return the part that a row of number, size, etag, last_modified and checksum describes."""
    number, size, etag, last_modified, algorithm, checksum = row
    return Part(
        number,
        size,
        ETag(etag),
        last_modified,
        None if algorithm is None else ChecksumAlgorithm(algorithm),
        checksum,
    )


def _cut(row: Sequence[Any], first: int, last: int) -> Slice:
    object_byte, blob_byte, length, digest, size, block_crcs = row
    skipped = max(first - object_byte, 0)
    beyond = max(object_byte + length - 1 - last, 0)
    return Slice(
        Blob(BlobDigest(digest), size, block_crcs), blob_byte + skipped, length - skipped - beyond
    )
