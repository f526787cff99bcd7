"""Entity tags: how they are made and how they stand in headers and documents."""

import hashlib
from collections.abc import Sequence

from server.model.names import ETag


def quote_etag(etag: ETag) -> str:
    """Return the ETag as headers and documents carry it, between double quotes."""
    return f'"{etag}"'


def unquote_etag(text: str) -> ETag:
    """Return the ETag a client sent, with or without its quotes."""
    stripped = text.strip()
    if len(stripped) >= 2 and stripped[0] == stripped[-1] == '"':
        stripped = stripped[1:-1]
    return ETag(stripped)


def multipart_etag(part_etags: Sequence[ETag]) -> ETag:
    """Return the ETag of a completed upload: the MD5 of its parts' MD5s, and their count."""
    digests = b"".join(bytes.fromhex(etag) for etag in part_etags)
    return ETag(f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(part_etags)}")
