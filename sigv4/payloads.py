"""How the body of a verified request is protected: what x-amz-content-sha256 says."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sigv4.errors import SignatureError, SignatureErrorCode

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_CHUNKS_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_CHUNKS_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_ECDSA_CHUNKS = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"

_LITERALS = frozenset(
    {
        UNSIGNED_PAYLOAD,
        _SIGNED_CHUNKS,
        _SIGNED_CHUNKS_WITH_TRAILER,
        _UNSIGNED_CHUNKS_WITH_TRAILER,
    }
)
_sha256_hex = re.compile(r"[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, slots=True)
class ChunkChain:
    """Where the chain of chunk signatures starts. repr hides the key."""

    signing_key: bytes = field(repr=False)
    timestamp: str  # "20130524T000000Z"
    scope: str  # "20130524/us-east-1/s3/aws4_request"
    seed_signature: str  # of the request


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """The SHA-256 of the body is signed. The caller compares it before it publishes anything."""

    sha256: str  # 64 lower-case hex digits


@dataclass(frozen=True, slots=True)
class UnsignedPayload:
    """The signature says nothing about the body."""


@dataclass(frozen=True, slots=True)
class SignedChunks:
    """The body is aws-chunked and each chunk is signed."""

    chain: ChunkChain


@dataclass(frozen=True, slots=True)
class SignedChunksWithTrailer:
    """The body is aws-chunked; each chunk and the trailer are signed."""

    chain: ChunkChain


@dataclass(frozen=True, slots=True)
class UnsignedChunksWithTrailer:
    """The body is aws-chunked; only a checksum in its trailer protects it."""


ChunkedPayload = SignedChunks | SignedChunksWithTrailer | UnsignedChunksWithTrailer
Payload = SignedPayload | UnsignedPayload | ChunkedPayload


def check_content_sha256(value: str) -> str:
    """Return the value if it is 64 lower-case hex digits or a literal that this server knows.

    Raises SignatureError InvalidArgument, or NotImplemented for the literals of Version 4A.
    """
    if _sha256_hex(value) or value in _LITERALS:
        return value
    if value in (_ECDSA_CHUNKS, f"{_ECDSA_CHUNKS}-TRAILER"):
        raise SignatureError(
            SignatureErrorCode.NotImplemented,
            f"{value} belongs to Signature Version 4A, which this server does not implement."
            " Please use AWS4-HMAC-SHA256.",
        )
    raise SignatureError(
        SignatureErrorCode.InvalidArgument,
        f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, {_UNSIGNED_CHUNKS_WITH_TRAILER},"
        f" {_SIGNED_CHUNKS}, {_SIGNED_CHUNKS_WITH_TRAILER} or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=value,
    )


def payload_of(content_sha256: str, chain: Callable[[], ChunkChain] | None) -> Payload:
    """Return the payload that a checked x-amz-content-sha256 announces.

    chain: makes the place where signatures of chunks continue, which most bodies do not have; None
        for Version 2, which cannot sign any.

    Raises SignatureError InvalidRequest for signed chunks without a chain.
    """
    if content_sha256 == UNSIGNED_PAYLOAD:
        return UnsignedPayload()
    if content_sha256 == _UNSIGNED_CHUNKS_WITH_TRAILER:
        return UnsignedChunksWithTrailer()
    if content_sha256 not in (_SIGNED_CHUNKS, _SIGNED_CHUNKS_WITH_TRAILER):
        return SignedPayload(content_sha256)
    if chain is None:
        raise SignatureError(
            SignatureErrorCode.InvalidRequest,
            f"{content_sha256} requires a request that is signed with AWS4-HMAC-SHA256.",
        )
    if content_sha256 == _SIGNED_CHUNKS:
        return SignedChunks(chain())
    return SignedChunksWithTrailer(chain())
