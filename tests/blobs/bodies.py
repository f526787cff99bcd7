"""Bodies that come from no network."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable

from server.blobs.receiving import ReceivedBlob
from server.blobs.store import BlobStore
from server.model.blob import Blob, Slice
from server.model.checksum import ChecksumAlgorithm
from server.model.names import BlobDigest
from server.rules.checksums import BodyDigests

OpenStore = Callable[[], BlobStore]

MIB = 1 << 20
INLINE_LIMIT = 4096


class ClientVanished(Exception):
    """The connection was lost in the middle of the body."""


class BadBody(Exception):
    """The body is not what the client said."""


class BodyOf:
    """An incoming body: these bytes, cut into pieces.

    vanish_at:   the client is gone after so many bytes.
    is_verified: what verify finds.
    on_verify:   called first thing by verify.
    is_here:     all of it came before it was asked for.
    """

    checksum_algorithm: ChecksumAlgorithm | None = None
    compares_sha256 = True

    def __init__(
        self,
        data: bytes,
        *,
        knows_length: bool = True,
        piece_bytes: int = 64 << 10,
        vanish_at: int | None = None,
        is_verified: bool = True,
        on_verify: Callable[[], None] = lambda: None,
        is_here: bool = False,
    ) -> None:
        self._data = data
        self._piece_bytes = piece_bytes
        self._vanish_at = vanish_at
        self._is_verified = is_verified
        self._on_verify = on_verify
        self._is_here = is_here
        self.length = len(data) if knows_length else None

    def arrived(self, limit: int) -> bytes | None:
        return self._data if self._is_here and len(self._data) <= limit else None

    async def pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), self._piece_bytes):
            await asyncio.sleep(0)
            if self._vanish_at is not None and start >= self._vanish_at:
                raise ClientVanished
            yield self._data[start : start + self._piece_bytes]

    def verify(self, digests: BodyDigests) -> None:
        self._on_verify()
        if not self._is_verified:
            raise BadBody
        assert digests.size == len(self._data)


def random_bytes(size: int) -> bytes:
    """Return bytes that are the same in every run; no two blocks of them are equal."""
    return random.Random(size).randbytes(size)


def digest_of(data: bytes) -> BlobDigest:
    return BlobDigest(hashlib.sha256(data).digest())


async def put(store: BlobStore, data: bytes) -> Blob:
    """Receive and publish a body; return its blob."""
    async with store.receive(BodyOf(data)) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])
        return received.blob


async def get(
    store: BlobStore, blob: Blob, offset: int = 0, length: int | None = None
) -> bytes | None:
    """Return a slice of the blob, or None where there is no file."""
    opened = await store.open_slice(
        Slice(blob, offset, blob.size - offset if length is None else length)
    )
    if opened is None:
        return None
    async with opened:
        return b"".join([bytes(piece) async for piece in opened.pieces()])
