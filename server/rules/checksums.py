"""Digests and checksums of bodies, of blocks and of parts.

The CRCs come from awscrt, which like hashlib lets other threads run while it computes. Values that
clients see are base64 of the big-endian bytes.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from awscrt import checksums as crt  # type: ignore[import-untyped]  # awscrt ships no py.typed

from server.model.blob import BLOCK_BYTES, BLOCK_CRC_BYTES
from server.model.checksum import ChecksumAlgorithm

# Bytes of a value before base64.
CHECKSUM_BYTES: Final[Mapping[ChecksumAlgorithm, int]] = {
    ChecksumAlgorithm.CRC32: 4,
    ChecksumAlgorithm.CRC32C: 4,
    ChecksumAlgorithm.CRC64NVME: 8,
    ChecksumAlgorithm.SHA1: 20,
    ChecksumAlgorithm.SHA256: 32,
}

_Crc = Callable[[bytes | memoryview, int], int]
_Combine = Callable[[int, int, int], int]

_CRCS: Final[Mapping[ChecksumAlgorithm, _Crc]] = {
    ChecksumAlgorithm.CRC32: crt.crc32,
    ChecksumAlgorithm.CRC32C: crt.crc32c,
    ChecksumAlgorithm.CRC64NVME: crt.crc64nvme,
}
_COMBINES: Final[Mapping[ChecksumAlgorithm, _Combine]] = {
    ChecksumAlgorithm.CRC32: crt.combine_crc32,
    ChecksumAlgorithm.CRC32C: crt.combine_crc32c,
    ChecksumAlgorithm.CRC64NVME: crt.combine_crc64nvme,
}
_crc64nvme: Final = _CRCS[ChecksumAlgorithm.CRC64NVME]
_combine_crc64nvme: Final = _COMBINES[ChecksumAlgorithm.CRC64NVME]


class _Running(Protocol):
    """A digest in the making; hashlib's objects are such."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class BodyDigests:
    """The digests of one body, fed in pieces of any size.

    Blocking; pieces above 2 KiB let other threads run. Not for two threads at once, but for one in
    update_md5 and one in update_others.

    extra:  the checksum that the request or the upload asks for.
    sha256: False where nothing is addressed or compared by SHA-256.
    blocks: compute the CRC64NVME of every block of a blob, and from them that of the body.
    """

    def __init__(
        self, extra: ChecksumAlgorithm | None, *, sha256: bool = True, blocks: bool
    ) -> None:
        self.size = 0  # bytes so far
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._checksums: dict[ChecksumAlgorithm, _Running] = {}
        self._blocks: _BlockCrcs | None = None
        if sha256:
            self._checksums[ChecksumAlgorithm.SHA256] = hashlib.sha256()
        if blocks:
            self._blocks = self._checksums[ChecksumAlgorithm.CRC64NVME] = _BlockCrcs()
        if extra is not None and extra not in self._checksums:
            self._checksums[extra] = _running(extra)
        self._others: tuple[_Running, ...] = tuple(self._checksums.values())

    def update(self, data: bytes | memoryview) -> None:
        """Add a piece; a memoryview must be one of bytes."""
        self.update_md5(data)
        self.update_others(data)

    def update_md5(self, data: bytes | memoryview) -> None:
        """Add a piece to the MD5, which takes longer than all the others together."""
        self._md5.update(data)

    def update_others(self, data: bytes | memoryview) -> None:
        """Add a piece to the size and to every digest but the MD5."""
        for running in self._others:
            running.update(data)
        self.size += len(data)

    @property
    def md5_hex(self) -> str:
        """Return the MD5 in lower-case hex, which is the ETag of a body that is no part list."""
        return self._md5.hexdigest()

    @property
    def sha256(self) -> bytes:
        """Return the 32 bytes that address the blob. KeyError unless it was asked for."""
        return self._checksums[ChecksumAlgorithm.SHA256].digest()

    @property
    def block_crcs(self) -> bytes:
        """Return BLOCK_CRC_BYTES for each block, the last may be short; b"" without blocks."""
        return b"" if self._blocks is None else self._blocks.crcs

    def checksum(self, algorithm: ChecksumAlgorithm) -> str:
        """Return the base64 checksum of the body. KeyError unless it was asked for."""
        return _encode(self._checksums[algorithm].digest())


class _BlockCrcs:
    """The CRC64NVME of each block, big-endian."""

    def __init__(self) -> None:
        self._closed = bytearray()
        self._crc = 0
        self._filled = 0  # bytes of the open block
        self._size = 0  # bytes of the body so far

    def update(self, data: bytes | memoryview, /) -> None:
        rest = memoryview(data)
        self._size += len(rest)
        while rest:
            piece = rest[: BLOCK_BYTES - self._filled]
            rest = rest[len(piece) :]
            self._crc = _crc64nvme(piece, self._crc)
            self._filled += len(piece)
            if self._filled == BLOCK_BYTES:
                self._closed += self._crc.to_bytes(BLOCK_CRC_BYTES, "big")
                self._crc = self._filled = 0

    @property
    def crcs(self) -> bytes:
        if not self._filled:
            return bytes(self._closed)
        return bytes(self._closed) + self._crc.to_bytes(BLOCK_CRC_BYTES, "big")

    def digest(self) -> bytes:
        return _combined_blocks(self.crcs, self._size)


class _RunningCrc:
    """A CRC with the interface of hashlib's objects."""

    def __init__(self, algorithm: ChecksumAlgorithm) -> None:
        self._update = _CRCS[algorithm]
        self._bytes = CHECKSUM_BYTES[algorithm]
        self._crc = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._crc = self._update(data, self._crc)

    def digest(self) -> bytes:
        return self._crc.to_bytes(self._bytes, "big")


def verify_block(data: bytes | memoryview, crc: bytes) -> bool:
    """Tell whether a block of a blob still holds what was written: invariant D9.

    crc: the BLOCK_CRC_BYTES that were recorded for this block.
    """
    return _crc64nvme(data, 0).to_bytes(BLOCK_CRC_BYTES, "big") == crc


def checksum_of(algorithm: ChecksumAlgorithm, data: bytes) -> str:
    """Return the base64 checksum of bytes at hand."""
    running = _running(algorithm)
    running.update(data)
    return _encode(running.digest())


def crc64nvme_of_blocks(block_crcs: bytes, size: int) -> str:
    """Return the base64 CRC64NVME of a whole blob, from its blocks' CRCs and without its bytes.

    size: of the blob in bytes.
    """
    return _encode(_combined_blocks(block_crcs, size))


def composite_checksum(algorithm: ChecksumAlgorithm, parts: Sequence[str]) -> str:
    """Return the COMPOSITE checksum of an object: that of its parts' checksums, and their count.

    parts: base64, in order, at least one.
    """
    joined = b"".join(base64.b64decode(part) for part in parts)
    return f"{checksum_of(algorithm, joined)}-{len(parts)}"


def full_object_checksum(algorithm: ChecksumAlgorithm, parts: Iterable[tuple[str, int]]) -> str:
    """Return the FULL_OBJECT checksum of an object from those of its parts; CRCs only.

    parts: base64 and size in bytes of each part, in order.
    """
    combine = _COMBINES[algorithm]
    combined = 0
    for value, size in parts:
        combined = combine(combined, int.from_bytes(base64.b64decode(value), "big"), size)
    return _encode(combined.to_bytes(CHECKSUM_BYTES[algorithm], "big"))


def is_checksum(algorithm: ChecksumAlgorithm, text: str) -> bool:
    """Tell whether the text is base64 of as many bytes as the algorithm has."""
    return is_base64_of(CHECKSUM_BYTES[algorithm], text)


def is_base64_of(size: int, text: str) -> bool:
    """Tell whether the text is base64 of exactly that many bytes, in its one canonical spelling."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(decoded) == size and _encode(decoded) == text


def _running(algorithm: ChecksumAlgorithm) -> _Running:
    if algorithm is ChecksumAlgorithm.SHA1:
        return hashlib.sha1(usedforsecurity=False)
    if algorithm is ChecksumAlgorithm.SHA256:
        return hashlib.sha256()
    return _RunningCrc(algorithm)


def _combined_blocks(block_crcs: bytes, size: int) -> bytes:
    combined = 0
    for start in range(0, len(block_crcs), BLOCK_CRC_BYTES):
        block = int.from_bytes(block_crcs[start : start + BLOCK_CRC_BYTES], "big")
        length = min(BLOCK_BYTES, size)
        combined = _combine_crc64nvme(combined, block, length)
        size -= length
    return combined.to_bytes(BLOCK_CRC_BYTES, "big")


def _encode(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
