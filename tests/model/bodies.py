"""The few bodies and keys that the model test plays with: few, so that they meet again."""

import hashlib
from dataclasses import dataclass
from typing import Final

from tests.concurrency.bodies import etag_of
from tests.operations.uploads import MIB, MIN_PART, random_bytes

# Up to here a body is kept in its row: S3D_INLINE_LIMIT_BYTES of servers under test.
_INLINE: Final = 8192


@dataclass(frozen=True)
class Body:
    """Bytes with a name that can be read."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return self.name

    @property
    def etag(self) -> str:
        return etag_of(self.data)


def _body(name: str, size: int) -> Body:
    return Body(name, random_bytes(size))


# On both sides of the borders: of the row, and of the blocks of a file.
BODIES: Final = [
    _body("EMPTY", 0),
    _body("BYTE", 1),
    _body("ROW", _INLINE),
    _body("FILE", _INLINE + 1),
    _body("BLOCK_LESS_1", MIB - 1),
    _body("BLOCK", MIB),
    _body("BLOCK_AND_1", MIB + 1),
    _body("BLOCKS", 2 * MIB + 5),
]
# What is not the last part of an object must be that large.
PARTS: Final = [*BODIES[1:5], _body("PART", MIN_PART)]

# "../x" leaves its bucket and is refused; "a/../b" stays inside and is a key like any other.
KEYS: Final = ["a", "a/b", "a//b", "a/", "a/../b", "b c+d%20", "ü/ö\u20ac", "\x01\n", "../x"]
# XML 1.0 has no way to write a control character, so no DeleteObjects can name such a key.
XML_KEYS: Final = [key for key in KEYS if "\x01" not in key]


def shown(data: bytes) -> str:
    """Return what tells bytes apart and fits on a line."""
    return f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:8]}"
