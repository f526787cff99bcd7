"""Accepting connections so that every worker gets its share of them.

All workers of a node listen on the same sockets, so a connection never waits for a worker that is
dead or stuck. The system then hands a burst to whoever wakes first, often all of it to one worker
(32 connections on 2 workers: 32 to 0 in every third burst). Counts in shared memory repair that: a
worker that has more than another steps back for a moment and lets the other accept.
"""

import asyncio
import errno
import mmap
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

import structlog

# How long to step back: time enough for another worker to wake up and accept.
_STEP_BACK_SECONDS: Final = 0.001
# Stepping back for a difference of one would delay every second connection for nothing, unless the
# other worker has none at all: two clients are to have two workers. Of many connections a few more
# or less make no difference, and a busy worker comes to accept seldom: one connection each time, a
# thousand clients took ten seconds.
_SLACK: Final = 1
_SLACK_PER_CONNECTION: Final = 1 / 16
_REFRESH_SECONDS: Final = 0.1
# Where all places are taken: how often some are refused, and for which share of the time since the
# last time, which is longer in a busy worker. A request that has come whole takes 30 µs.
_REFUSE_SECONDS: Final = 0.01
_REFUSING_SHARE: Final = 0.08
_REFUSED_FOR_SECONDS: Final = 0.1  # the longest such time
# Those whose request is still to come take 130 µs later, a handshake a millisecond or two.
_REFUSED_LATER: Final = 6
_REFUSED_LATER_TLS: Final = 1
# Before it is said again that all are taken: places come and go a hundred times a second.
_SAY_AGAIN_SECONDS: Final = 10.0
_REFUSED_HANDSHAKE_SECONDS: Final = 1.0
# How long a stop waits for handshakes that are under way.
_LAST_HANDSHAKES_SECONDS: Final = 1.0
_NO_WORKER: Final = -1
_OUT_OF_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_log = structlog.get_logger()


class ConnectionCounts:
    """How many connections each worker of this node holds, in memory that the workers share.

    Make it before forking. Every place belongs to one worker at a time; -1: to nobody.
    """

    def __init__(self, places: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, places * 8)).cast("q")
        for place in range(places):
            self._counts[place] = _NO_WORKER

    def publish(self, place: int, connections: int) -> None:
        """Tell the other workers how many connections this one holds."""
        self._counts[place] = connections

    def clear(self, place: int) -> None:
        """Tell the other workers that nobody accepts at this place."""
        self._counts[place] = _NO_WORKER

    def fewest_elsewhere(self, place: int) -> int | None:
        """Return what the least busy of the other workers holds; None without others."""
        others = (count for other, count in enumerate(self._counts) if other != place)
        return min((count for count in others if count != _NO_WORKER), default=None)


class Listener:
    """A listening socket, as one worker accepts from it."""

    def __init__(self, listening: socket.socket, counts: ConnectionCounts, place: int) -> None:
        self._socket = listening
        self._counts = counts
        self._place = place
        self._opening: set[asyncio.Task[object]] = set()
        self._refusing: set[asyncio.Task[object]] = set()  # those take no place
        self._timer: asyncio.TimerHandle | None = None
        self._stepped_back = False
        self._said_full = float("-inf")
        self._refused = float("-inf")

    def start(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        connections: Callable[[], int],
        limit: int,
        refuse_at_once: Callable[[socket.socket], bool],
        make_refusal: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
        handshake_seconds: float = 20,
    ) -> None:
        """Begin to accept; call it in the running event loop.

        connections: returns how many connections this worker holds open, of all its listeners.
        limit: at this many, further clients are left to other workers. Where those have as many,
            they are told so: by refuse_at_once, and where it returns False, since the request is
            still on its way, by the protocol that make_refusal makes, which soon closes.
        """
        self._loop = asyncio.get_running_loop()
        self._make_protocol = make_protocol
        self._connections = connections
        self._limit = limit
        self._refuse_at_once = refuse_at_once
        self._make_refusal = make_refusal
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._resume()

    async def stop(self) -> None:
        """Accept nothing more. Connections that were accepted are open or closed on return."""
        self._counts.clear(self._place)
        self._pause(None)
        self._socket.close()
        tasks = self._opening | self._refusing
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_HANDSHAKES_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _resume(self) -> None:
        """Look for connections from now on. Refreshes our count while there are any to count."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(_REFRESH_SECONDS, self._resume)
        self._publish()
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def _pause(self, seconds: float | None) -> None:
        """Let others accept, for a while or, with None, for good."""
        self._loop.remove_reader(self._socket.fileno())
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._resume) if seconds else None

    def _publish(self) -> int:
        connections = self._connections() + len(self._opening)
        self._counts.publish(self._place, connections)
        return connections

    def _on_readable(self) -> None:
        burst = 0
        while True:
            mine = self._publish()
            if mine >= self._limit:
                self._refuse_some()
                return
            slack = _SLACK + int(mine * _SLACK_PER_CONNECTION)
            fewest = self._counts.fewest_elsewhere(self._place)
            has_more = fewest is not None and mine > fewest + (slack if fewest else 0)
            if has_more and not self._stepped_back:
                self._stepped_back = True
                self._pause(_STEP_BACK_SECONDS)
                return
            connection = self._accept()
            if connection is None:
                self._stepped_back = False
                return
            self._open(connection, self._make_protocol, self._handshake_seconds, self._opening)
            burst += 1
            # Once a burst: a worker that is stuck does not hold up the others for longer.
            if burst >= slack:
                self._stepped_back = False
                return

    def _refuse_some(self) -> None:
        fewest = self._counts.fewest_elsewhere(self._place)
        if fewest is None or fewest >= self._limit:
            now = time.monotonic()
            if now >= self._said_full + _SAY_AGAIN_SECONDS:
                self._said_full = now
                _log.warning("all connections are taken; refusing more", limit=self._limit)
            self._pause(_REFUSE_SECONDS)  # first: an accept that fails makes it a longer one
            share = min(now - self._refused, _REFUSED_FOR_SECONDS) * _REFUSING_SHARE
            self._refused = now
            self._refuse_until(
                now + share, later=_REFUSED_LATER_TLS if self._tls else _REFUSED_LATER
            )
        else:
            self._pause(_REFRESH_SECONDS)

    def _refuse_until(self, end: float, *, later: int) -> None:
        # One beyond the limit of connections may not stay as long as those within.
        seconds = min(self._handshake_seconds, _REFUSED_HANDSHAKE_SECONDS)
        while later and time.monotonic() < end:
            connection = self._accept()
            if connection is None:
                return
            if self._tls is not None or not self._refuse_at_once(connection):
                self._open(connection, self._make_refusal, seconds, self._refusing)
                later -= 1

    def _accept(self) -> socket.socket | None:
        """Return a connection; None where none waits, or none can be had."""
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None  # another worker was faster, or the client is gone again
        except OSError as error:
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            _log.error("cannot accept connections", error=str(error))
            self._pause(1)
            return None
        connection.setblocking(False)
        return connection

    def _open(
        self,
        connection: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        handshake_seconds: float,
        opening: set[asyncio.Task[object]],
    ) -> None:
        task: asyncio.Task[object] = self._loop.create_task(
            self._opened(connection, make_protocol, handshake_seconds)
        )
        opening.add(task)
        task.add_done_callback(opening.discard)

    async def _opened(
        self,
        connection: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        handshake_seconds: float,
    ) -> None:
        try:
            await self._loop.connect_accepted_socket(
                make_protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=handshake_seconds if self._tls else None,
            )
        except OSError:
            # A client that speaks no TLS, or went away during the handshake: its own affair.
            connection.close()
