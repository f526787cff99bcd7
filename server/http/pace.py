"""How slow a client may be: a body must move on, either way, or it holds its place for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol

_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class LeastPace:
    """idle_seconds: how long nothing may move. bytes_per_second: the least, over such a time."""

    idle_seconds: float
    bytes_per_second: int

    @property
    def bytes(self) -> float:
        """Return what must move within idle_seconds."""
        return self.idle_seconds * self.bytes_per_second


class Arrival:
    """The pace of one body on its way in. Time in which nobody waits for the client is its own."""

    def __init__(self, least: LeastPace) -> None:
        self._least = least
        self._waited = 0.0
        self._bytes = 0

    async def next(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return what read returns. Raises TimeoutError where the body is too slow."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(self._least.idle_seconds):
            piece = await read()
        self._waited += loop.time() - began
        self._bytes += len(piece)
        if self._waited >= self._least.idle_seconds:
            if self._bytes < self._least.bytes:
                raise TimeoutError
            self._waited, self._bytes = 0.0, 0
        return piece


async def write(
    http: web.BaseRequest,
    response: web.StreamResponse,
    piece: bytes | memoryview,
    least: LeastPace,
) -> None:
    """Write the piece. Raises TimeoutError where the client takes it too slowly."""
    try:
        async with asyncio.timeout(least.idle_seconds):
            await response.write(piece)
    except TimeoutError:
        # The transport holds all of it by now; what is left there says how slow the client is.
        left = len(piece)
        while left - (unsent := _unsent(http)) >= max(least.bytes, 1):
            left = unsent
            if await _is_taken(http, least.idle_seconds):
                return
        raise


async def _is_taken(http: web.BaseRequest, seconds: float) -> bool:
    """Return whether the transport takes more by then. Looks often: nobody else is told of it."""
    protocol, loop = cast(BaseProtocol, http.protocol), asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        if not protocol.connected:
            raise ConnectionResetError
        if not protocol.writing_paused:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


def _unsent(http: web.BaseRequest) -> int:
    return http.transport.get_write_buffer_size() if http.transport is not None else 0
