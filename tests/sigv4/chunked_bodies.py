"""aws-chunked bodies as clients write them, by other means than the decoder's, and its verdict.

Source: S3 API reference, "Transferring Payload in Multiple Chunks", "Including Trailing Headers".
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

import pytest

from sigv4.chunks import MIN_CHUNK_BYTES, ChunkDecoder
from sigv4.errors import SignatureError
from sigv4.payloads import (
    ChunkChain,
    ChunkedPayload,
    SignedChunks,
    SignedChunksWithTrailer,
    UnsignedChunksWithTrailer,
)

CHAIN = ChunkChain(b"k" * 32, "20260314T150926Z", "20260314/us-east-1/s3/aws4_request", "5eed" * 16)
SIGNED = SignedChunks(CHAIN)
SIGNED_WITH_TRAILER = SignedChunksWithTrailer(CHAIN)
UNSIGNED = UnsignedChunksWithTrailer()
MODES = pytest.mark.parametrize(
    "payload",
    [SIGNED, SIGNED_WITH_TRAILER, UNSIGNED],
    ids=["signed", "signed with trailer", "unsigned with trailer"],
)

# Changes a body on its way.
Tamper = Callable[[bytes], bytes]

CHECKSUM = "x-amz-checksum-crc32"
DATA = [b"a" * MIN_CHUNK_BYTES, b"b" * (MIN_CHUNK_BYTES + 1), b"last"]
PLAIN = b"".join(DATA)


class Encoder:
    """Writes a body piece by piece; each mistake a client can make has its own method call."""

    def __init__(self, payload: ChunkedPayload) -> None:
        self.body = b""
        self._signs = not isinstance(payload, UnsignedChunksWithTrailer)
        self._signs_trailer = isinstance(payload, SignedChunksWithTrailer)
        self._previous = CHAIN.seed_signature

    def chunk(self, data: bytes) -> "Encoder":
        self.body += self.header(data) + (data + b"\r\n" if data else b"")
        return self

    def header(self, data: bytes) -> bytes:
        size = f"{len(data):x}"
        if not self._signs:
            return f"{size}\r\n".encode()
        digest = hashlib.sha256(data).hexdigest()
        empty = hashlib.sha256(b"").hexdigest()
        signature = self._sign("AWS4-HMAC-SHA256-PAYLOAD", f"{empty}\n{digest}")
        return f"{size};chunk-signature={signature}\r\n".encode()

    def trailer(
        self, lines: Sequence[str], *, line_end: str = "\r\n", before_signature: str = ""
    ) -> "Encoder":
        self.body += "".join(f"{line}{line_end}" for line in lines).encode()
        if self._signs_trailer:
            canonical = "".join(f"{line}\n" for line in lines)
            digest = hashlib.sha256(canonical.encode()).hexdigest()
            signature = self._sign("AWS4-HMAC-SHA256-TRAILER", digest)
            self.body += f"{before_signature}x-amz-trailer-signature:{signature}\r\n".encode()
        return self

    def _sign(self, algorithm: str, covered: str) -> str:
        lines = (algorithm, CHAIN.timestamp, CHAIN.scope, self._previous, covered)
        signature = hmac.new(CHAIN.signing_key, "\n".join(lines).encode(), "sha256").hexdigest()
        self._previous = signature
        return signature


def encode(payload: ChunkedPayload, data: Iterable[bytes] = DATA) -> bytes:
    encoder = Encoder(payload)
    for chunk in (*data, b""):
        encoder.chunk(chunk)
    return encoder.trailer(trailer_of(payload)).body + b"\r\n"


def trailer_of(payload: ChunkedPayload) -> list[str]:
    return [] if isinstance(payload, SignedChunks) else [f"{CHECKSUM}:AAAAAA=="]


def decoder_of(payload: ChunkedPayload, length: int = len(PLAIN)) -> ChunkDecoder:
    trailers = [] if isinstance(payload, SignedChunks) else [CHECKSUM]
    return ChunkDecoder(payload, decoded_length=length, trailers=trailers)


def decode(decoder: ChunkDecoder, *body: bytes) -> bytes:
    decoded = b"".join(piece for data in body for piece in decoder.feed(data))
    decoder.finish()
    return decoded


def refused(decoder: ChunkDecoder, *body: bytes) -> SignatureError:
    with pytest.raises(SignatureError) as refusal:
        decode(decoder, *body)
    # What is refused stays refused.
    with pytest.raises(SignatureError):
        decoder.finish()
    with pytest.raises(SignatureError):
        decoder.feed(b"\r\n")
    return refusal.value


def replaced(old: bytes, new: bytes) -> Tamper:
    def tamper(body: bytes) -> bytes:
        assert old in body
        return body.replace(old, new, 1)

    return tamper


def signature_changed(number: int) -> Tamper:
    """Return what changes the last digit of the chunk signature with that number, from 0."""

    def tamper(body: bytes) -> bytes:
        end = 0
        for _ in range(number + 1):
            end = body.index(b"chunk-signature=", end) + len(b"chunk-signature=") + 64
        return body[: end - 1] + (b"1" if body[end - 1 : end] == b"0" else b"0") + body[end:]

    return tamper
