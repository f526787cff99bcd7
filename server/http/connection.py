"""Connections: aiohttp's, with limits on the time that a request head may take and S3's errors."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from server.errors import ErrorCode
from xml_responses.error_document import error_document

# A presigned URL with a session token and a key of 1,024 escaped bytes has some 6 KiB.
MAX_REQUEST_LINE: Final = 32 * 1024
MAX_HEADER_FIELD: Final = 16 * 1024
MAX_HEADERS: Final = 128
# Of one head, while it comes. The three above alone would let a connection hold 2 MiB before its
# sender is known.
MAX_HEAD: Final = 64 * 1024
# How long the rest of a refused body is read, so that the answer is not lost in a reset.
_LINGER_SECONDS: Final = 5.0
# And how much of it. After that the sender is made to wait until the time is over.
_LINGER_BYTES: Final = 4 << 20
# Bytes of a body that wait to be read; beyond that the client is made to wait.
_READ_BUFFER: Final = 256 * 1024

SERVER: Final = "s3d"
HOST_ID: Final = secrets.token_urlsafe(42)
_prefix: Final = secrets.token_hex(4).upper()
_numbers: Final = itertools.count(secrets.randbits(31))


def new_request_id() -> str:
    """Return 16 hex digits, unlike those of any other request of this process."""
    return f"{_prefix}{next(_numbers) & 0xFFFFFFFF:08X}"


class Connection(RequestHandler):
    """One client's connection. head_seconds: how long it may take over a request's head."""

    __slots__ = ("_head_bytes", "_head_seconds", "_head_timer", "_latest_body", "_linger_bytes")

    def __init__(self, *args: Any, head_seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0  # of the head that is on its way
        self._latest_body: StreamReader = EMPTY_PAYLOAD  # of the last request whose head has come
        self._linger_bytes: int | None = None  # of a refused body, still to be read; None: no such

    def data_received(self, data: bytes) -> None:
        if self._linger_bytes is not None:
            self._take_refused(len(data))
        if self._head_bytes > MAX_HEAD:
            return  # refused; requests before it may hold up the answer, but nothing more is kept
        requests = self._request_count
        is_body = not self._latest_body.is_eof()
        super().data_received(data)
        if self._request_count > requests:
            self._end_head()
            self._latest_body = self._messages[-1][1]
            self._break_off_bodies()
        elif data and not is_body:
            self._take_head(len(data))

    def linger(self) -> None:
        """Note that the rest of the body is refused: it is read, up to a limit, and dropped."""
        self._linger_bytes = _LINGER_BYTES

    def _take_refused(self, size: int) -> None:
        assert self._linger_bytes is not None
        self._linger_bytes -= size
        if self._linger_bytes < 0:
            self._pause_transport_reading()

    def _resume_transport_reading(self) -> None:
        if self._linger_bytes is None or self._linger_bytes >= 0:
            super()._resume_transport_reading()

    def _take_head(self, size: int) -> None:
        """Count bytes of a head that is not complete yet, and the time it takes."""
        self._head_bytes += size
        if self._head_bytes - size <= MAX_HEAD < self._head_bytes:
            error = _ErrInfo(status=400, exc=LineTooLong(b"", MAX_HEAD), message="")
            self._request_count += 1
            self._messages.append((error, EMPTY_PAYLOAD))
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)
        elif self._head_timer is None:
            # Bytes that trickle in do not start the time anew.
            self._head_timer = self._loop.call_later(self._head_seconds, self._give_up_head)

    def _give_up_head(self) -> None:
        self._head_timer = None
        # The answers to requests that came before it may take longer.
        if self._current_request is None and not self._messages:
            self.force_close()

    def _break_off_bodies(self) -> None:
        """Tell who waits for the rest of a body that it will not come.

        Something follows it and it has not ended: the parser gave up in the middle of it, and would
        let its reader wait.
        """
        bodies = [body for _, body in self._messages]
        if self._current_request is not None:
            bodies.insert(0, self._current_request.content)
        for body in bodies[:-1]:
            if not body.is_eof():
                body.set_exception(RequestPayloadError("the body is malformed"))
                body.feed_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, in S3's form; the connection closes."""
        code = ErrorCode.BadRequest
        if isinstance(exc, LineTooLong):
            code = ErrorCode.RequestHeaderSectionTooLarge
        elif status >= 500:
            code = ErrorCode.InternalError
            self.log_exception("request failed outside of its operation", exc_info=exc)
        request_id = new_request_id()
        response = web.Response(
            status=code.status,
            body=error_document(
                code=code.name,
                message=code.message,
                detail={},
                resource=None,
                request_id=request_id,
                host_id=HOST_ID,
            ),
            headers={
                "Content-Type": "application/xml",
                "x-amz-request-id": request_id,
                "x-amz-id-2": HOST_ID,
                "Server": SERVER,
            },
        )
        response.force_close()
        return response


def refuse_rest(http: web.BaseRequest) -> None:
    """Note that nobody wants what is still to come of the body."""
    cast(Connection, http.protocol).linger()


class ConnectionFactory(web.Server):
    """Makes a Connection for each client.

    answer: one request to one response; raises nothing.
    """

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        head_seconds: float,
        keep_alive_seconds: float,
    ) -> None:
        super().__init__(
            answer,
            access_log=None,
            keepalive_timeout=keep_alive_seconds,
            max_line_size=MAX_REQUEST_LINE,
            max_field_size=MAX_HEADER_FIELD,
            max_headers=MAX_HEADERS,
            lingering_time=_LINGER_SECONDS,
            read_bufsize=_READ_BUFFER,
            # gzip is how an object is stored, never how it travels.
            auto_decompress=False,
        )
        self._head_seconds = head_seconds

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, head_seconds=self._head_seconds, **self._kwargs)
