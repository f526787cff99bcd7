"""aws-chunked bodies: the bytes of the object out of the chunks that carry them.

    body    = chunk* last-chunk trailer CRLF
    chunk   = size-in-hex [";chunk-signature=" 64 hex] CRLF size bytes CRLF
    trailer = (name ":" value CRLF)* ["x-amz-trailer-signature:" 64 hex CRLF]

The last chunk has size 0 and no bytes. Each signature covers the one before it, so chunks cannot
be dropped, repeated or moved.

Source: S3 API reference, "Transferring Payload in Multiple Chunks" and "Including Trailing
Headers"; what clients make of it is named where it is handled.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from sigv4.errors import SignatureError, SignatureErrorCode
from sigv4.payloads import (
    ChunkChain,
    ChunkedPayload,
    SignedChunksWithTrailer,
    UnsignedChunksWithTrailer,
)
from sigv4.signing import same_signature, sign

# S3 holds signed and unsigned chunks alike to it; only the last chunk with bytes may be smaller.
MIN_CHUNK_BYTES = 8192
# The longest header that is well formed has 99 bytes.
_MAX_CHUNK_HEADER_BYTES = 128
# A checksum and a signature take 200 bytes.
_MAX_TRAILER_BYTES = 4096
# The empty line after the trailer, and a second one from minio-go.
_MAX_FINAL_BYTES = 4

_EMPTY_SHA256 = hashlib.sha256().hexdigest()
_TRAILER_SIGNATURE = "x-amz-trailer-signature"

_unsigned_header = re.compile(rb"([0-9A-Fa-f]{1,16})()\r\n").fullmatch
_signed_header = re.compile(rb"([0-9A-Fa-f]{1,16});chunk-signature=([0-9a-f]{64})\r\n").fullmatch
_trailer_line = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~]*)[ \t]*\r?\n").fullmatch

# Takes bytes from a position on, and returns the position it has not yet looked at.
_Step = Callable[[bytes, int, list[bytes]], int]


class ChunkDecoder:
    """Decodes one body, whatever the network cut it into.

    Bytes come out before the signature of their chunk is known, so that memory does not grow with
    a chunk: nothing that came out may be published before finish() returned.

    payload:        what Verified says of the body.
    decoded_length: x-amz-decoded-content-length, the number of bytes that must come out.
    trailers:       the names that x-amz-trailer announces, in any letter case. The trailer must
                    hold each of them once and nothing else.

    Blocking only by the SHA-256 of what is fed. Raises SignatureError; the decoder is then spent.
    """

    def __init__(
        self, payload: ChunkedPayload, *, decoded_length: int, trailers: Iterable[str] = ()
    ) -> None:
        self._chain: ChunkChain | None = (
            None if isinstance(payload, UnsignedChunksWithTrailer) else payload.chain
        )
        self._trailer_chain = (
            payload.chain if isinstance(payload, SignedChunksWithTrailer) else None
        )
        self._declared = frozenset(name.lower() for name in trailers)
        self._decoded_length = decoded_length
        self._decoded = 0  # bytes announced by the chunk headers so far
        self._chunk = 0  # number of the chunk, from 1
        self._size = MIN_CHUNK_BYTES  # of the chunk; the first has none before it that is small
        self._left = 0  # bytes of the chunk that are still to come
        self._hash = hashlib.sha256()
        self._signature = b""  # that the chunk says it has
        self._previous = "" if self._chain is None else self._chain.seed_signature
        self._line = bytearray()
        self._trailer_bytes = 0
        self._trailers: dict[str, str] = {}
        self._final_bytes = 0
        self._step: _Step = self._read_chunk_header

    @property
    def trailers(self) -> Mapping[str, str]:
        """Return the trailer, names in lower case, without its signature. Valid after finish()."""
        return self._trailers

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bytes of the object that are among these of the body, in order."""
        pieces: list[bytes] = []
        position = 0
        try:
            while position < len(data):
                position = self._step(data, position, pieces)
        except SignatureError:
            self._step = self._refuse
            raise
        return pieces

    def finish(self) -> None:
        """Return if the body was whole; raise IncompleteBody if it ended early or broke before."""
        if self._step != self._read_end:
            self._step = self._refuse
            self._refuse()

    def _read_chunk_header(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        position, line = self._read_line(data, position, _MAX_CHUNK_HEADER_BYTES)
        if line is not None:
            header = (_unsigned_header if self._chain is None else _signed_header)(line)
            if header is None:
                self._refuse()
            self._signature = header[2]
            self._start_chunk(int(header[1], 16))
        return position

    def _start_chunk(self, size: int) -> None:
        self._chunk += 1
        if size and self._size < MIN_CHUNK_BYTES:
            raise SignatureError(
                SignatureErrorCode.InvalidChunkSizeError,
                Chunk=str(self._chunk),
                BadChunkSize=str(self._size),
            )
        self._decoded += size
        # Before the bytes come: what exceeds the announced length is not even read.
        if self._decoded > self._decoded_length or (
            not size and self._decoded != self._decoded_length
        ):
            raise SignatureError(
                SignatureErrorCode.IncompleteBody,
                NumberBytesExpected=str(self._decoded_length),
                NumberBytesProvided=str(self._decoded),
            )
        self._size = self._left = size
        if size:
            self._step = self._read_chunk
        else:
            self._check_chunk_signature()
            self._step = self._read_trailer

    def _read_chunk(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._left]
        if self._chain is not None:
            self._hash.update(piece)
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._check_chunk_signature()
            self._step = self._read_chunk_end
        return position + len(piece)

    def _read_chunk_end(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        position, line = self._read_line(data, position, len(b"\r\n"))
        if line is not None:
            if line != b"\r\n":
                self._refuse()
            self._step = self._read_chunk_header
        return position

    def _read_trailer(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        position, line = self._read_line(data, position, _MAX_TRAILER_BYTES)
        if line is not None:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > _MAX_TRAILER_BYTES:
                raise SignatureError(SignatureErrorCode.MalformedTrailerError)
            if line == b"\r\n":
                self._read_empty_trailer_line()
            else:
                self._read_trailer_line(line)
        return position

    def _read_empty_trailer_line(self) -> None:
        # minio-go ends the lines of a trailer in LF, and writes CRLF before its signature.
        if self._trailer_chain is None:
            self._check_trailer_names()
            self._final_bytes = len(b"\r\n")
            self._step = self._read_end

    def _read_trailer_line(self, line: bytes) -> None:
        match = _trailer_line(line)
        if match is None:
            raise SignatureError(SignatureErrorCode.MalformedTrailerError)
        name, value = match[1].decode().lower(), match[2].decode()
        if self._trailer_chain is not None and name == _TRAILER_SIGNATURE:
            self._check_trailer_names()
            self._check_trailer_signature(self._trailer_chain, value)
            # It covers all there is, so a client may leave out the empty line after it.
            self._step = self._read_end
        elif name in self._declared and name not in self._trailers:
            self._trailers[name] = value
        else:
            raise SignatureError(SignatureErrorCode.MalformedTrailerError)

    def _read_end(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        self._final_bytes += len(data) - position
        if self._final_bytes > _MAX_FINAL_BYTES or data[position:].strip(b"\r\n"):
            self._refuse()
        return len(data)

    def _refuse(self, *_: object) -> NoReturn:
        raise SignatureError(
            SignatureErrorCode.IncompleteBody, "The request body terminated unexpectedly"
        )

    def _read_line(self, data: bytes, position: int, limit: int) -> tuple[int, bytes | None]:
        """Return the new position, and the line with its LF once that has come."""
        end = data.find(b"\n", position) + 1
        self._line += data[position : end or len(data)]
        if len(self._line) > limit:
            self._refuse()
        if not end:
            return len(data), None
        line = bytes(self._line)
        self._line.clear()
        return end, line

    def _check_chunk_signature(self) -> None:
        if self._chain is None:
            return
        digest, self._hash = self._hash.hexdigest(), hashlib.sha256()
        self._check_signature(
            self._chain,
            "AWS4-HMAC-SHA256-PAYLOAD",
            f"{_EMPTY_SHA256}\n{digest}",
            self._signature.decode(),
        )

    def _check_trailer_names(self) -> None:
        if self._trailers.keys() != self._declared:
            raise SignatureError(SignatureErrorCode.MalformedTrailerError)

    def _check_trailer_signature(self, chain: ChunkChain, provided: str) -> None:
        lines = "".join(f"{name}:{value}\n" for name, value in self._trailers.items())
        digest = hashlib.sha256(lines.encode()).hexdigest()
        self._check_signature(chain, "AWS4-HMAC-SHA256-TRAILER", digest, provided)

    def _check_signature(
        self, chain: ChunkChain, algorithm: str, covered: str, provided: str
    ) -> None:
        string_to_sign = "\n".join(
            (algorithm, chain.timestamp, chain.scope, self._previous, covered)
        )
        computed = sign(chain.signing_key, string_to_sign)
        if not same_signature(computed, provided):
            raise SignatureError(
                SignatureErrorCode.SignatureDoesNotMatch,
                StringToSign=string_to_sign,
                SignatureProvided=provided,
                StringToSignBytes=string_to_sign.encode().hex(" "),
            )
        self._previous = computed
