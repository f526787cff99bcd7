"""A request as HTTP brings it: the head as it was parsed, the body still on its way."""

import asyncio
import itertools
import secrets
from typing import Final

from aiohttp import HttpVersion, HttpVersion11
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from multidict import CIMultiDictProxy

_prefix: Final = secrets.token_hex(4).upper()
_numbers: Final = itertools.count(secrets.randbits(31))


def new_request_id() -> str:
    """Return 16 hex digits, unlike those of any other request of this process."""
    return f"{_prefix}{next(_numbers) & 0xFFFFFFFF:08X}"


class HttpRequest:
    """One request of a connection.

    headers: as received, repeated ones too.
    content: the body, or what has come of it.
    keep_alive: whether the connection serves another request after this one.
    """

    __slots__ = (
        "_connection",
        "content",
        "headers",
        "is_chunked",
        "keep_alive",
        "method",
        "raw_path",
        "version",
    )

    def __init__(
        self, message: RawRequestMessage, content: StreamReader, connection: BaseProtocol
    ) -> None:
        self._connection = connection
        self.method: str = message.method
        self.raw_path: str = message.path
        self.version: HttpVersion = message.version
        self.headers: CIMultiDictProxy[str] = message.headers
        # What follows a request to upgrade, CONNECT too, aiohttp's parser may drop or misread.
        self.keep_alive = not (message.should_close or message.upgrade)
        self.is_chunked: bool = message.chunked
        if self.is_chunked and not self.is_http_11:
            self.keep_alive = False  # RFC 9112, 6.1: a proxy may have seen other boundaries
        self.content = content

    @property
    def has_body(self) -> bool:
        """Return whether the head announced a body, an empty one in chunks too."""
        return self.content is not EMPTY_PAYLOAD

    @property
    def is_http_11(self) -> bool:
        """Return whether the client speaks HTTP/1.1."""
        return self.version >= HttpVersion11

    @property
    def scheme(self) -> str:
        """Return "https" where the connection is encrypted, else "http"."""
        transport = self._connection.transport
        is_tls = transport is not None and transport.get_extra_info("sslcontext") is not None
        return "https" if is_tls else "http"

    def write(self, data: bytes | memoryview) -> None:
        """Hand bytes to the socket, or to its buffer. Raises ConnectionError: the client is gone.

        The transport may hold what it was given: nobody writes to it again.
        """
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)

    async def drained(self, idle_seconds: float) -> None:
        """Return once the buffer of the socket has room.

        Raises ConnectionError where the client is gone, TimeoutError where it takes nothing for
        idle_seconds.
        """
        if self._connection.writing_paused:
            async with asyncio.timeout(idle_seconds):
                await self._connection._drain_helper()

    @property
    def is_drained(self) -> bool:
        """Return whether the buffer of the socket has room."""
        return not self._connection.writing_paused

    @property
    def unsent(self) -> int:
        """Return the bytes in the buffer of the socket. Raises ConnectionError: as write()."""
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        return transport.get_write_buffer_size()

    def abort(self) -> None:
        """Cut the connection, whatever is in its buffer."""
        if self._connection.transport is not None:
            self._connection.transport.abort()
