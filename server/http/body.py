"""The body of a request: taken off the wire, out of its framing, and held to what was promised."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError

from server.access.authenticate import s3_error
from server.errors import ErrorCode, S3Error
from server.http.connection import BrokenBody
from server.http.document_memory import DocumentMemory
from server.http.pace import Arrival, LeastPace
from server.http.request import HttpRequest
from server.model.checksum import ChecksumAlgorithm
from server.rules.arguments import header_not_implemented, invalid_argument
from server.rules.checksum_headers import (
    BodyChecksum,
    HeaderChecksum,
    TrailerChecksum,
    check_checksum,
    check_content_md5,
    check_content_sha256,
    parse_body_checksum,
    parse_content_md5,
    parse_trailer_value,
)
from server.rules.checksums import BodyDigests
from server.rules.numbers import parse_digits
from sigv4.chunks import ChunkDecoder
from sigv4.errors import SignatureError
from sigv4.payloads import ChunkedPayload, Payload, SignedPayload, UnsignedPayload

# aws cli 2.9 drops the upload where the phrase is missing.
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_LENGTH: Final = 2**63 - 1
_WITH_BODY: Final = frozenset({"PUT", "POST"})
_EMPTY_SHA256: Final = hashlib.sha256().digest()
# Of a body that its operation has no use for: some clients send a newline, or an empty document.
_MAX_UNWANTED: Final = 64 << 10


class HttpBody:
    """A RequestBody over aiohttp's stream; see there for the contract.

    Made after the sender is known, so "100 Continue" is only ever said to one who may go on.

    may_stream:   whether the operation takes aws-chunked bodies.
    has_checksum: whether a checksum in a header is one of the body.
    pace:         how slow a client may be.
    memory:       what documents are kept in; given back by close().

    Raises S3Error where what the headers say of the body is malformed.
    """

    def __init__(
        self,
        http: HttpRequest,
        headers: Mapping[str, str],
        payload: Payload,
        *,
        may_stream: bool,
        has_checksum: bool,
        pace: LeastPace,
        memory: DocumentMemory,
    ) -> None:
        self._http = http
        self._memory = memory
        self._memory_taken = 0
        self._headers = headers
        self._payload = payload
        self._pace = pace
        self._decoder: ChunkDecoder | None = None
        self._checksum: BodyChecksum | None = None
        self._content_md5: str | None = None
        self.length: int | None = None
        self.checksum_algorithm: ChecksumAlgorithm | None = None
        self.compares_sha256 = isinstance(payload, SignedPayload)
        if isinstance(payload, ChunkedPayload) and not may_stream:
            raise S3Error(
                ErrorCode.InvalidRequest,
                "This operation does not take a body in aws-chunked encoding.",
            )
        if http.method in _WITH_BODY:
            self._read_claims(has_checksum=has_checksum)
        if isinstance(payload, SignedPayload) and not http.has_body:
            # Known before any byte could come.
            check_content_sha256(payload.sha256, _EMPTY_SHA256)

    def arrived(self, limit: int) -> bytes | None:
        """Return the whole body where it is here already and has at most limit bytes.

        None, and nothing is read, where it is not, or travels in aws-chunked encoding.
        """
        content = self._http.content
        if self.length is None or self.length > limit or self._decoder is not None:
            return None
        if not content.is_eof() or content.exception() is not None:
            return None
        return content.read_nowait()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the decoded bytes. Raises S3Error where the client breaks off or breaks a rule."""
        if self.length is None:
            raise S3Error(ErrorCode.MissingContentLength)
        self._say_continue_where_expected()
        if self._decoder is None:
            async for raw in self._from_wire():
                yield raw
            return
        try:
            async for raw in self._from_wire():
                for piece in self._decoder.feed(raw):
                    yield piece
        except SignatureError as error:
            raise s3_error(error) from error

    def verify(self, digests: BodyDigests) -> None:
        """Raise S3Error where the body is not what its sender signed or announced (D4)."""
        if self._decoder is not None:
            try:
                self._decoder.finish()
            except SignatureError as error:
                raise s3_error(error) from error
        if digests.size != self.length:
            raise S3Error(
                ErrorCode.IncompleteBody,
                NumberBytesExpected=str(self.length),
                NumberBytesProvided=str(digests.size),
            )
        if isinstance(self._payload, SignedPayload):
            check_content_sha256(self._payload.sha256, digests.sha256)
        check_content_md5(self._content_md5, digests.md5_hex)
        claim = self._claimed_checksum()
        if claim is not None:
            check_checksum(claim, digests.checksum(claim.algorithm))

    async def document(self, limit: int) -> bytes:
        """Return the whole verified body; MaxMessageLengthExceeded above limit bytes.

        SlowDown where this worker holds too many documents already.
        """
        if self.length is None and "transfer-encoding" not in self._headers:
            self.length = 0
        if self.length is not None and self.length > limit:
            raise S3Error(ErrorCode.MaxMessageLengthExceeded, MaxMessageLengthBytes=str(limit))
        # Before anything is read of it, and before the client is told to go on.
        self._memory_taken = self._memory.take(self.length or 0)
        digests = BodyDigests(self.checksum_algorithm, blocks=False)
        # aiohttp delivers no more than the Content-Length, which was just compared. Not a list: a
        # client may send segments of a byte or two, and each is an object of forty.
        gathered = bytearray()
        async for piece in self.pieces():
            gathered += piece
        document = bytes(gathered)
        digests.update(document)
        self.verify(digests)
        return document

    async def verify_unwanted(self) -> None:
        """Hold to its signed SHA-256 a body that the operation does not read; nothing else is.

        Raises S3Error MaxMessageLengthExceeded above 64 KiB. Called before the operation.
        """
        if not isinstance(self._payload, SignedPayload):
            return
        too_large = S3Error(
            ErrorCode.MaxMessageLengthExceeded, MaxMessageLengthBytes=str(_MAX_UNWANTED)
        )
        length = self._length("content-length")
        if length is not None and length > _MAX_UNWANTED:
            raise too_large
        self._say_continue_where_expected()
        sha256, size = hashlib.sha256(), 0
        async for piece in self._from_wire():
            size += len(piece)
            if size > _MAX_UNWANTED:  # in chunks, which announce no length
                raise too_large
            sha256.update(piece)
        check_content_sha256(self._payload.sha256, sha256.digest())

    def close(self) -> None:
        """Let go of the document, if there was one; the request has ended."""
        if self._memory_taken:
            self._memory.give_back(self._memory_taken)
            self._memory_taken = 0

    def _read_claims(self, *, has_checksum: bool) -> None:
        coding = self._headers.get("transfer-encoding", "chunked")
        if coding.lower() != "chunked":
            raise header_not_implemented(
                "Transfer-Encoding", "This server takes no transfer coding but chunked."
            )
        self._checksum = parse_body_checksum(self._headers) if has_checksum else None
        if self._checksum is not None:
            self.checksum_algorithm = self._checksum.algorithm
        self._content_md5 = parse_content_md5(self._headers)
        if isinstance(self._payload, SignedPayload | UnsignedPayload):
            if isinstance(self._checksum, TrailerChecksum):
                raise S3Error(
                    ErrorCode.InvalidRequest,
                    "x-amz-trailer needs a body that is sent in aws-chunked encoding.",
                )
            self.length = self._length("content-length")
            return
        self.length = self._length("x-amz-decoded-content-length")
        if self.length is None:
            raise S3Error(ErrorCode.MissingContentLength)
        trailers = self._headers.get("x-amz-trailer", "")
        self._decoder = ChunkDecoder(
            self._payload,
            decoded_length=self.length,
            trailers=[name.strip() for name in trailers.split(",") if name.strip()],
        )

    def _length(self, header: str) -> int | None:
        text = self._headers.get(header)
        if text is None:
            return None
        length = parse_digits(text, _MAX_LENGTH)
        if length is None:
            raise invalid_argument("The length of the body is not a number.", header, text)
        return length

    def _claimed_checksum(self) -> HeaderChecksum | None:
        if not isinstance(self._checksum, TrailerChecksum):
            return self._checksum
        assert self._decoder is not None, "a trailer without chunks was refused before"
        algorithm = self._checksum.algorithm
        return parse_trailer_value(algorithm, self._decoder.trailers[algorithm.header])

    def _say_continue_where_expected(self) -> None:
        # Nobody said what a client of HTTP/1.0 makes of an interim answer.
        expects = self._headers.get("expect", "").lower() == "100-continue"
        if not expects or not self._http.is_http_11:
            return
        try:
            self._http.write(_CONTINUE)
        except ConnectionError as error:
            raise S3Error(ErrorCode.IncompleteBody) from error

    async def _from_wire(self) -> AsyncIterator[bytes]:
        content = self._http.content
        arrival: Arrival | None = None
        try:
            while not content.at_eof():
                if content.is_eof():  # all of it has come: nothing to wait for
                    yield content.read_nowait()
                    return
                arrival = arrival or Arrival(self._pace)
                if piece := await arrival.next(content.readany):
                    yield piece
        except TimeoutError as error:
            raise S3Error(ErrorCode.RequestTimeout) from error
        except (ConnectionError, HttpProcessingError, BrokenBody, ClientError) as error:
            raise S3Error(ErrorCode.IncompleteBody) from error
