"""From S3Reply and S3Error to bytes on the socket."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from server.errors import RETRY_AFTER_SECONDS, ErrorCode, S3Error
from server.http.connection import HOST_ID, SERVER, refuse_rest
from server.http.pace import LeastPace, write
from server.operation import S3Reply, Stream
from xml_responses.error_document import error_document

# Well below the 64 KiB at which a transport makes its writer wait.
_FITS_BYTES: Final = 32 << 10


async def send(
    http: web.BaseRequest, reply: S3Reply, request_id: str, *, pace: LeastPace
) -> tuple[web.StreamResponse, int]:
    """Send the reply; return the response and the bytes of body that went out.

    The client that takes it too slowly is cut off.
    Raises ConnectionError where the client is gone, TimeoutError where it was cut off, and what
    the stream of the reply raises; the connection is closed then, short of what was announced.
    """
    headers = {
        "x-amz-request-id": request_id,
        "x-amz-id-2": HOST_ID,
        "Server": SERVER,
        **reply.headers,
    }
    try:
        if isinstance(reply.body, Stream):
            return await _send_stream(http, reply.status, headers, reply.body, pace)
        return await _send_whole(http, reply, headers, reply.body, pace.idle_seconds)
    except BaseException:
        # The length that was announced is the only way left to tell that the body is not whole. A
        # close that waits until the client takes what it was sent may wait for ever.
        if http.transport is not None:
            http.transport.abort()
        raise


async def _send_whole(
    http: web.BaseRequest,
    reply: S3Reply,
    headers: dict[str, str],
    body: bytes,
    idle_seconds: float,
) -> tuple[web.StreamResponse, int]:
    response = _whole(http, reply, headers, body)
    if not http.content.is_eof() or http.content.exception() is not None:
        # What is left of a body that nobody wants must not be taken for the next request.
        response.force_close()
        refuse_rest(http)
    if _fits(http, body):
        await response.prepare(http)
        await response.write_eof()
        return response, len(body)
    async with asyncio.timeout(idle_seconds):
        await response.prepare(http)
        await response.write_eof()
    return response, len(body)


def _fits(http: web.BaseRequest, body: bytes) -> bool:
    """Return whether the socket or its buffer takes the body at once, so that nobody waits."""
    transport = http.transport
    return (
        len(body) <= _FITS_BYTES
        and transport is not None
        and transport.get_write_buffer_size() == 0
    )


def _whole(
    http: web.BaseRequest, reply: S3Reply, headers: dict[str, str], body: bytes
) -> web.Response:
    if http.method == "HEAD":
        length = len(body) if reply.content_length is None else reply.content_length
        return web.Response(status=reply.status, headers={**headers, "Content-Length": str(length)})
    return web.Response(status=reply.status, headers=headers, body=body or None)


async def _send_stream(
    http: web.BaseRequest,
    status: int,
    headers: Mapping[str, str],
    stream: Stream,
    pace: LeastPace,
) -> tuple[web.StreamResponse, int]:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = stream.length
    sent = 0
    try:
        await response.prepare(http)
        async for piece in stream.pieces:
            await write(http, response, piece, pace)
            sent += len(piece)
        await response.write_eof()
    finally:
        await stream.close()
    return response, sent


def error_reply(error: S3Error, *, resource: str, request_id: str, has_body: bool) -> S3Reply:
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
