"""Connections for which there is no place: whatever they ask is answered SlowDown.

Thousands may come again and again, each as soon as it was refused, and what that costs, those who
have a place lack. A request that waits in its socket, whole, is answered there: 30 µs, where a
transport takes 130.
"""

import asyncio
import re
import socket
from contextlib import suppress
from typing import Final, cast

from server.http.request import new_request_id
from server.http.slow_down import as_bytes

# How long a refused connection may take to ask, and to read why.
REFUSED_SECONDS: Final = 1.0
# What is looked at of a request that waits: a head, and a body of a few KiB.
_LOOKED_AT: Final = 16 << 10
_content_length: Final = re.compile(rb"\r\ncontent-length:([^\r\n]*)", re.IGNORECASE).search
_transfer_encoding: Final = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE).search


def refuse_at_once(connection: socket.socket) -> bool:
    """Answer the request that waits in the socket, and close it.

    False, and nothing is read or sent, where it has not come whole: a close would reset what comes
    after it, and the client might lose the answer.
    """
    try:
        request = connection.recv(_LOOKED_AT, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        request = b""
    if request and not _is_whole(request):
        return False
    with suppress(OSError), connection:  # a client that is gone again is not an error
        if request:
            connection.recv(len(request))
            connection.send(_answer(request))
    return True


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if not end or _transfer_encoding(head):
        return False
    announced = _content_length(head)
    return (b"0" if announced is None else announced[1].strip()) == b"%d" % len(body)


def _answer(request: bytes) -> bytes:
    return as_bytes(new_request_id(), close=True, head=request.startswith(b"HEAD "))


class Refusal(asyncio.Protocol):
    """A connection for which there is no place, whose request is still to come."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # What is sent meanwhile is dropped: a close at once would reset it, and the answer too.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(REFUSED_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.write(_answer(data))
        if transport.can_write_eof():
            transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
