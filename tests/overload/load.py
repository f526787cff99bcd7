"""Many connections at once, each asking for the next thing as soon as it was answered.

No library of a client stands between: it would be slower than the server.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.wire import Answer

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_PAUSE_SECONDS = 0.05
_TRIES = 5

# Whether an answer of that status, head and body is right.
IsRight = Callable[[int, bytes, bytes], bool]


@dataclass
class Tally:
    """What came back. Seconds: of single answers, from the last byte asked to the last answered."""

    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    wrong: Counter[bytes] = field(default_factory=Counter)
    broken: int = 0  # connections that ended in the middle of an exchange

    def percentile(self, of: list[float], percent: float) -> float:
        """Return the seconds within which so many percent of the answers came."""
        ordered = sorted(of)
        return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if of else 0.0


class Load:
    """A closed loop over some connections.

    next_message: what a connection sends next. is_right: judges answers below 500; is_refusal those
    of 503. Statuses of any other kind are wrong.
    """

    def __init__(
        self,
        endpoint: str,
        next_message: Callable[[], bytes],
        *,
        is_right: IsRight,
        is_refusal: IsRight,
    ) -> None:
        url = urlsplit(endpoint)
        self._where = (url.hostname, url.port)
        self.next_message = next_message
        self.is_right = is_right
        self.is_refusal = is_refusal
        self.tally = Tally()
        self.ending = False

    async def run(self, connections: int, seconds: float, *, warm_up_seconds: float = 0) -> Tally:
        """Return what came back within the seconds, after those of the warm-up."""
        clients = [asyncio.create_task(self._one()) for _ in range(connections)]
        await asyncio.sleep(warm_up_seconds)
        self.tally = Tally()
        await asyncio.sleep(seconds)
        tally = self.tally
        self.ending = True
        for each in clients:
            each.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        return tally

    async def _one(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.ending:
            client: _Client | None = None
            try:
                _, client = await loop.create_connection(lambda: _Client(self), *self._where)
                await client.lost
            except OSError:
                self.tally.broken += 1
            finally:
                if client is not None and client.transport is not None:
                    client.transport.abort()
            await asyncio.sleep(_PAUSE_SECONDS)


class _Client(asyncio.Protocol):
    transport: asyncio.Transport | None = None

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._needed = 0
        self._asked = 0.0
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._needed:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end + 2)
            self._needed = end + len(_HEAD_END) + (int(length[1]) if length else 0)
        if len(self._received) >= self._needed:
            self._judge()
            self._ask()

    def connection_lost(self, _: BaseException | None) -> None:
        if not self._load.ending and (self._received or self._needed):
            self._load.tally.broken += 1
        self.transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    def _ask(self) -> None:
        self._received, self._needed = b"", 0
        self._asked = time.monotonic()
        if self.transport is not None:
            self.transport.write(self._load.next_message())

    def _judge(self) -> None:
        seconds = time.monotonic() - self._asked
        status = int(self._received[9:12])
        head, _, body = self._received.partition(_HEAD_END)
        tally, load = self._load.tally, self._load
        if status == 503 and load.is_refusal(status, head, body):
            tally.refused.append(seconds)
        elif status < 500 and load.is_right(status, head, body):
            tally.good.append(seconds)
        else:
            tally.wrong[self._received[:12]] += 1
        if b"connection: close" in head.lower() and self.transport is not None:
            self._received = b""
            self.transport.close()
            self.transport = None


def run(load: Load, connections: int, seconds: float, *, warm_up_seconds: float = 0) -> Tally:
    """Run the load on an event loop that is fast enough for it. Blocking."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load.run(connections, seconds, warm_up_seconds=warm_up_seconds))


async def within_a_second(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return an answer that came within the second that is promised to who is refused.

    On a machine that others keep busy the client itself may be late: the best of some tries counts.
    """
    for _ in range(_TRIES - 1):
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                return await ask()
    async with asyncio.timeout(1):
        return await ask()
