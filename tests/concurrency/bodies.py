"""Bodies that say which they are, so that one which is torn or mixed cannot be taken for whole."""

import hashlib

# Of both kinds: kept in the row, and kept in a file.
SMALL, LARGE = 3_000, 300_000
SIZES = [SMALL, LARGE]


def numbered(number: int, size: int) -> bytes:
    """Return a body of that number."""
    line = b"%08d\n" % number
    return (line * (size // len(line) + 1))[:size]


def number_of(body: bytes) -> int:
    """Return the number of a body; AssertionError where it is none of ours, or not whole."""
    number = int(body[:8])
    assert body == numbered(number, len(body)), "a body is torn"
    return number


def etag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
