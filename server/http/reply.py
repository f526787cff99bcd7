"""From S3Reply and S3Error to bytes on the socket."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from server.errors import RETRY_AFTER_SECONDS, ErrorCode, S3Error
from server.http.pace import LeastPace, drained
from server.http.request import HttpRequest
from server.operation import S3Reply, Stream
from server.rules.http_dates import format_http_date
from xml_responses.error_document import error_document

SERVER: Final = "s3d"
HOST_ID: Final = secrets.token_urlsafe(42)

_STATUS_LINES: Final = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}" for status in HTTPStatus
}
# Answers that end with their head, whatever it says.
_NO_CONTENT: Final = frozenset({204, 304})
# A body up to this size travels with its head in one buffer: a copy is cheaper than a second call.
_JOINED_BYTES: Final = 64 << 10


async def send(
    http: HttpRequest, reply: S3Reply, request_id: str, *, pace: LeastPace, is_known: bool
) -> int:
    """Send the reply; return the bytes of body that went out.

    A client that takes it too slowly is cut off. is_known: whether the client is one who may make
    others wait until it has taken it; another's connection is closed, and the rest is the system's.
    Raises ConnectionError where the client is gone, TimeoutError where it was cut off, and what
    the stream of the reply raises; the connection is closed then, short of what was announced.
    """
    try:
        if not http.content.is_eof() or http.content.exception() is not None:
            # What is left of a body that nobody wants must not be taken for the next request.
            http.keep_alive = False
        if isinstance(reply.body, Stream):
            return await _send_stream(http, reply, reply.body, request_id, pace)
        body = b"" if http.method == "HEAD" else reply.body
        length = len(reply.body) if reply.content_length is None else reply.content_length
        _write_whole(http, _head(reply, request_id, length, http), body)
        if is_known:
            await drained(http, len(body), pace)
        elif not http.is_drained:
            http.keep_alive = False
        return len(body)
    except BaseException:
        # The length that was announced is the only way left to tell that the body is not whole. A
        # close that waits until the client takes what it was sent may wait for ever.
        http.abort()
        raise


def _write_whole(http: HttpRequest, head: bytes, body: bytes) -> None:
    if len(body) <= _JOINED_BYTES:
        http.write(head + body)
    else:
        http.write(head)
        http.write(body)


async def _send_stream(
    http: HttpRequest, reply: S3Reply, stream: Stream, request_id: str, pace: LeastPace
) -> int:
    sent = 0
    try:
        http.write(_head(reply, request_id, stream.length, http))
        async for piece in stream.pieces:
            http.write(piece)
            await drained(http, len(piece), pace)
            sent += len(piece)
    finally:
        await stream.close()
    return sent


def _head(reply: S3Reply, request_id: str, length: int, http: HttpRequest) -> bytes:
    return head(
        reply.status,
        reply.headers,
        request_id,
        length=length,
        connection=_connection_header(http),
    )


def _connection_header(http: HttpRequest) -> str:
    if not http.keep_alive:
        return "Connection: close\r\n"
    # A client of HTTP/1.0 that asked for it waits for the word.
    return "" if http.is_http_11 else "Connection: keep-alive\r\n"


def head(
    status: int, headers: Mapping[str, str], request_id: str, *, length: int, connection: str
) -> bytes:
    """Return the head of an answer.

    connection: the line of that header, or "".
    Raises ValueError where a header has a line break: it would begin another one.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header of an answer has a line break in it")
    size = "" if status in _NO_CONTENT else f"Content-Length: {length}\r\n"
    return (
        f"{_STATUS_LINES[status]}\r\nDate: {_date(int(time.time()))}\r\nServer: {SERVER}\r\n"
        f"x-amz-request-id: {request_id}\r\nx-amz-id-2: {HOST_ID}\r\n{connection}{size}{lines}\r\n"
    ).encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_http_date(datetime.fromtimestamp(second, UTC))


def error_reply(
    error: S3Error, *, resource: str | None, request_id: str, has_body: bool
) -> S3Reply:
    """Return the reply to a request that ended in an error.

    has_body: False for HEAD, whose errors are their status alone.
    """
    headers = dict(error.headers)
    if error.code.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if error.code is ErrorCode.NotModified or not has_body:
        return S3Reply(status=error.code.status, headers=headers)
    headers["Content-Type"] = "application/xml"
    body = error_document(
        code=error.code.name,
        message=error.message,
        detail=error.detail,
        resource=None if error.detail else resource,
        request_id=request_id,
        host_id=HOST_ID,
    )
    return S3Reply(status=error.code.status, headers=headers, body=body)
