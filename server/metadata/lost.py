"""Which keys need blobs that are not there: what a restore that did without them names."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, LiteralString

from server.metadata.connection import connected
from server.metadata.snapshot import copy_in, digest_field
from server.model.names import BlobDigest

_FETCHED: Final = 500
_SENT: Final = 5_000

_TABLE: Final[LiteralString] = "CREATE TEMPORARY TABLE unusable (digest bytea) ON COMMIT DROP"

# Joins, and no IN beside an OR: many blobs may be lost. UNION: one object may have lost several.
_NEEDING: Final[LiteralString] = """
    WITH without_bytes AS (SELECT manifest_id FROM slice JOIN unusable USING (digest))
    SELECT name, key, version_id, NULL
      FROM object_version v JOIN unusable USING (digest) JOIN bucket b ON b.id = v.bucket_id
     UNION
    SELECT name, key, version_id, NULL
      FROM object_version v JOIN without_bytes USING (manifest_id)
      JOIN bucket b ON b.id = v.bucket_id
     UNION
    SELECT name, key, NULL, upload_id
      FROM multipart_upload u JOIN without_bytes USING (manifest_id)
      JOIN bucket b ON b.id = u.bucket_id
     ORDER BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Lost:
    """A version of a key, or an upload in progress, that lacks bytes; the other id is None."""

    bucket: str
    key: str
    version_id: str | None
    upload_id: str | None


async def needing(
    url: str, digests: Iterable[BlobDigest], *, timeout_seconds: float
) -> AsyncGenerator[Lost, None]:
    """Yield what needs one of the blobs, by bucket and key.

    timeout_seconds: how long PostgreSQL may take for a statement. Raises MetadataUnavailable.
    """
    lines = (digest_field(digest) + b"\n" for digest in digests)
    pieces = iter(lambda: b"".join(islice(lines, _SENT)), b"")
    async with connected(url, timeout_seconds=timeout_seconds) as conn, conn.transaction():
        await conn.execute(_TABLE)
        await copy_in(
            conn, "unusable", ["digest"], pieces, lambda _: None, timeout_seconds=timeout_seconds
        )
        async with conn.cursor(name="lost") as cursor:
            cursor.itersize = _FETCHED
            await cursor.execute(_NEEDING)
            async for row in cursor:
                yield Lost(*row)
