"""How slow a client may be: a body must move on, either way, or it holds its place for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from server.http.request import HttpRequest

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


async def drained(http: HttpRequest, written: int, least: LeastPace) -> None:
    """Return once the buffer of the socket has room again.

    written: bytes that were handed to it since it last had. Raises ConnectionError where the client
    is gone, TimeoutError where it takes them too slowly.
    """
    try:
        await http.drained(least.idle_seconds)
    except TimeoutError:
        # What is left in the buffer says how slow the client is.
        left = written
        while left - (unsent := http.unsent) >= max(least.bytes, 1):
            left = unsent
            if await _has_room(http, least.idle_seconds):
                return
        raise


async def _has_room(http: HttpRequest, seconds: float) -> bool:
    """Return whether it has by then. Looks often: nobody else is told of it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        if http.unsent >= 0 and http.is_drained:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False
