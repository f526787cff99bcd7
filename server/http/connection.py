"""Connections: aiohttp's parser and streams, and a loop of our own around them.

aiohttp's own handler makes two tasks' worth of steps, a Request and a Response of each request.
Measured with 4 KiB answers, one worker, it costs 50 µs a request and this loop 20.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

import structlog
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from server.errors import ErrorCode, S3Error
from server.http.reply import error_reply, head
from server.http.request import HttpRequest, new_request_id

# A presigned URL with a session token and a key of 1,024 escaped bytes has some 6 KiB.
MAX_REQUEST_LINE: Final = 32 * 1024
MAX_HEADER_FIELD: Final = 16 * 1024
MAX_HEADERS: Final = 128
# Of one head, while it comes. The three above alone would let a connection hold 2 MiB before its
# sender is known.
MAX_HEAD: Final = 64 * 1024
# Requests that a client may send ahead of their answers; the parser reads no further.
MAX_PIPELINED: Final = 32
# How long the rest of a refused body is read, so that the answer is not lost in a reset.
_LINGER_SECONDS: Final = 5.0
# And how much of it. After that the sender is made to wait until the time is over.
_LINGER_BYTES: Final = 4 << 20
# Bytes of a body that wait to be read; beyond that the client is made to wait.
_READ_BUFFER: Final = 256 * 1024
# How often a stop looks whether all answers are sent.
_LOOK_SECONDS: Final = 0.05
# The end of a body in chunks that has no trailer.
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"

# Answers one request: sends whatever is to be sent. Raises nothing.
Answer = Callable[[HttpRequest], Awaitable[None]]


class BrokenBody(Exception):
    """The rest of a body will not come: its framing is broken, or its sender is gone."""


class Connection(BaseProtocol):
    """One client's connection. Requests are answered one after the other, in their order.

    head_seconds: how long the client may take over a request's head.
    keep_alive_seconds: how long it may send nothing between two of them.
    """

    __slots__ = (
        "_ahead",
        "_answer",
        "_closing",
        "_current",
        "_head_bytes",
        "_head_seconds",
        "_head_timer",
        "_idle_since",
        "_idle_timer",
        "_keep_alive_seconds",
        "_last_bytes",
        "_latest_body",
        "_open",
        "_queue",
        "_serving",
    )
    _parser: "HttpRequestParser | None"

    def __init__(
        self,
        answer: Answer,
        connections: set["Connection"],
        *,
        head_seconds: float,
        keep_alive_seconds: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        parser = HttpRequestParser(
            self,
            loop,
            _READ_BUFFER,
            max_line_size=MAX_REQUEST_LINE,
            max_field_size=MAX_HEADER_FIELD,
            max_headers=MAX_HEADERS,
            payload_exception=BrokenBody,
            # gzip is how an object is stored, never how it travels.
            auto_decompress=False,
            # It counts a message that ends after it was taken once too often: we pause first.
            max_msg_queue_size=MAX_PIPELINED + 1,
        )
        super().__init__(loop, parser)
        self._answer = answer
        self._open = connections
        self._head_seconds = head_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._queue: deque[tuple[RawRequestMessage | HttpProcessingError, StreamReader]] = deque()
        self._current: HttpRequest | None = None
        self._serving: asyncio.Task[None] | None = None
        self._closing = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0  # of the head that is on its way
        self._latest_body: StreamReader = EMPTY_PAYLOAD  # of the last request whose head has come
        self._last_bytes = b""  # that came, as many as _LAST_CHUNK has
        self._ahead = 0  # bytes of heads that came while a request is answered
        self._idle_since = loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.add(self)
        self._watch_idleness()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._serving is None:  # else its request is still worked on, and the connection counts
            self._open.discard(self)
        super().connection_lost(exc)
        self._closing = True
        self._end_head()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        bodies = [body for _, body in self._queue]
        if self._current is not None:
            bodies.append(self._current.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(ConnectionResetError("the client is gone"))
        self._queue.clear()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._head_bytes > MAX_HEAD:
            return  # requests before it may hold up the end, but nothing more is kept
        body = self._latest_body
        is_body = not body.is_eof()
        if self._closing and not is_body:
            return
        came_before = body.total_bytes
        if self._serving is not None and not is_body:
            self._ahead += len(data)
        self._last_bytes = (self._last_bytes + data[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
        try:
            messages, upgraded, rest = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._end_head()
            self._queue_up([(error, EMPTY_PAYLOAD)])
            return
        if messages:
            self._end_head()
            self._queue_up(messages)
        elif body.total_bytes > came_before or (is_body and body.is_eof()):
            self._end_head()
        elif data:
            # A head; or, within a body, a trailer, which the parser keeps like one until it ends.
            self._take_head(len(data))
        if upgraded:
            # What else a client could speak is for it to ask: this server speaks HTTP alone.
            self._parser.set_upgraded(False)
            if rest:
                self.data_received(rest)

    def _queue_up(
        self, messages: Collection[tuple[RawRequestMessage | HttpProcessingError, StreamReader]]
    ) -> None:
        self._queue.extend(messages)
        self._latest_body = self._queue[-1][1]
        self._break_off_bodies()
        is_full = len(self._queue) >= MAX_PIPELINED or self._ahead > _READ_BUFFER
        if is_full and not self._buffer_paused:
            self._pause_reading_for_buffer()
        if self._serving is None:
            self._serving = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        """Answer the requests that have come; a later one begins anew."""
        try:
            while self._queue:
                message, content = self._take()
                if isinstance(message, HttpProcessingError):
                    self._refuse(message)
                    return
                request = self._current = HttpRequest(message, content, self)
                request.keep_alive = request.keep_alive and not self._closing
                await self._answer(request)
                if not request.content.is_eof():
                    await self._linger(request.content)
                    return
                if not request.keep_alive or self._closing:
                    return
                if request.is_chunked and (self._queue or self._last_bytes != _LAST_CHUNK):
                    return  # the parser carries the last field of a trailer into the next head
                self._current = None
            self._idle_since = self._loop.time()
        finally:
            # Not in order: an answer that raises, or was cancelled, has left half a head behind.
            is_idle = self._current is None and not self._queue and not self._closing
            self._serving = self._current = None
            if self.transport is None:
                self._open.discard(self)
            if not is_idle:
                self.close()

    def _take(self) -> tuple[RawRequestMessage | HttpProcessingError, StreamReader]:
        taken = self._queue.popleft()
        if not self._queue:
            self._ahead = 0
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._queue) <= MAX_PIPELINED // 2:
            self.data_received(b"")  # what the parser held back
            if len(self._queue) < MAX_PIPELINED:
                self._resume_reading_for_buffer()
        return taken

    def close(self) -> None:
        """Close the connection once what was written is sent."""
        self._closing = True
        if self.transport is not None:
            self.transport.close()
            # A client that takes nothing would hold its place for as long as it likes.
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            self._idle_timer = self._loop.call_later(self._keep_alive_seconds, self.transport.abort)

    def close_when_idle(self) -> None:
        """Answer the request that is being worked on, if there is one, and then close."""
        self._closing = True
        if self._current is not None:
            self._current.keep_alive = False  # so that its answer says so
        if self._serving is None:
            self.close()

    @property
    def unsent(self) -> int:
        """Return the bytes in the buffer of the socket."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    async def ended(self) -> None:
        """Return once no request is being worked on."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def abort(self) -> None:
        """Cut the connection, and whatever it is doing."""
        if self.transport is not None:
            self.transport.abort()
        if self._serving is not None:
            self._serving.cancel()
            await self.ended()

    async def _linger(self, body: StreamReader) -> None:
        """Read the rest of a body that nobody wants, for a while and up to a limit."""
        left = _LINGER_BYTES
        with suppress(TimeoutError, ConnectionError, BrokenBody, HttpProcessingError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not body.is_eof() and self.transport is not None:
                    left -= len(await body.readany())
                    if left < 0:
                        self._pause_reading_for_buffer()
                        await asyncio.sleep(_LINGER_SECONDS)

    def _take_head(self, size: int) -> None:
        """Count bytes of a head, or a trailer, that is not complete yet, and the time it takes."""
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD:
            self._queue_up([(LineTooLong(b"", MAX_HEAD), EMPTY_PAYLOAD)])
        elif self._head_timer is None:
            # Bytes that trickle in do not start the time anew.
            self._head_timer = self._loop.call_later(self._head_seconds, self._give_up_head)

    def _give_up_head(self) -> None:
        self._head_timer = None
        # The answers to requests that came before it may take longer.
        if self._serving is None:
            self.close()
        else:
            self._head_timer = self._loop.call_later(self._head_seconds, self._give_up_head)

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _watch_idleness(self) -> None:
        """Close the connection where it is idle for too long; look again when it may be."""
        waited = self._loop.time() - self._idle_since
        if self._serving is not None:
            waited = 0.0
        elif waited >= self._keep_alive_seconds and not self._head_bytes:
            self.close()
            return
        again = self._keep_alive_seconds - waited
        if again <= 0:
            again = self._head_seconds  # a head is on its way, and has its own limit
        self._idle_timer = self._loop.call_later(again, self._watch_idleness)

    def _break_off_bodies(self) -> None:
        """Tell who waits for the rest of a body that it will not come.

        Something follows it and it has not ended: the parser gave up in the middle of it, and would
        let its reader wait.
        """
        if self._current is None and len(self._queue) == 1:
            return
        bodies = [body for _, body in self._queue]
        if self._current is not None:
            bodies.insert(0, self._current.content)
        for body in bodies[:-1]:
            if not body.is_eof():
                body.set_exception(BrokenBody("the body is malformed"))
                body.feed_eof()

    def _refuse(self, error: HttpProcessingError) -> None:
        """Answer what is not HTTP, in S3's form; the connection closes."""
        code = ErrorCode.BadRequest
        if isinstance(error, LineTooLong):
            code = ErrorCode.RequestHeaderSectionTooLarge
        request_id = new_request_id()
        reply = error_reply(S3Error(code), resource=None, request_id=request_id, has_body=True)
        assert isinstance(reply.body, bytes), "an error is a document"
        if self.transport is not None:
            self.transport.write(
                head(
                    reply.status,
                    reply.headers,
                    request_id,
                    length=len(reply.body),
                    connection="Connection: close\r\n",
                )
                + reply.body
            )
        self._closing = True
        structlog.get_logger().debug("not HTTP", request_id=request_id, error=str(error))


class Connections:
    """Makes a Connection for each client, and knows those that are open."""

    def __init__(self, answer: Answer, *, head_seconds: float, keep_alive_seconds: float) -> None:
        self._answer = answer
        self._head_seconds = head_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._open: set[Connection] = set()

    def __call__(self) -> Connection:
        return Connection(
            self._answer,
            self._open,
            head_seconds=self._head_seconds,
            keep_alive_seconds=self._keep_alive_seconds,
        )

    def __len__(self) -> int:
        return len(self._open)

    async def shutdown(self, seconds: float) -> None:
        """Close all connections: idle ones now, others when their request is answered.

        seconds: after which they are cut off.
        """
        for connection in list(self._open):
            connection.close_when_idle()
        answering = [asyncio.create_task(each.ended()) for each in self._open]
        until = asyncio.get_running_loop().time() + seconds
        if answering:
            await asyncio.wait(answering, timeout=seconds)
        # The end of an answer may wait in the buffer of its socket.
        while any(each.unsent for each in self._open):
            if asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.gather(*(each.abort() for each in list(self._open)))
