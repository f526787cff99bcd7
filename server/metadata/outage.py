"""Whether PostgreSQL answers at all: found out once, not by every request for itself.

A PostgreSQL that is gone refuses connections. One that stands still, or a network that swallows
what it is given, says nothing: then requests would wait, each to the end of its own limit, and fill
every queue. While an outage lasts nothing is asked, and who was waiting is told so.
"""

import asyncio
import contextlib
import os
import select
import socket
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final
from weakref import WeakSet

import structlog

from server.metadata.connection import UNAVAILABLE, Connection
from server.metadata.fence import Fence

# A batch that is under way for so long makes us ask whether PostgreSQL is there. It may be: a disk
# that is busy holds up commits, too.
SILENT_SECONDS: Final = 4.0
# How long a new connection may take before PostgreSQL counts as away.
PROBE_SECONDS: Final = 8.0
# A scan of all rows may take hours, and says nothing meanwhile. So often is PostgreSQL probed
# beside one, and only after so long without an answer is it given up.
SCAN_SILENT_SECONDS: Final = 60.0
SCAN_LOST_SECONDS: Final = 180.0
_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.5

_log = structlog.get_logger()


class Outage:
    """Watches over the connections of one worker.

    connect: opens one. silent_since: returns when what is longest under way was begun, on the clock
    of time.monotonic, or None. long_since: the same of what may take long, and silent_since omits.
    overdue: returns, once each, connections whose holders have waited for an answer for too long.
        They are cut although PostgreSQL answers others: one of its processes may stand still alone.
        Asked about once a second.
    began, ended: called when an outage does. fence: raised before it ends.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        silent_since: Callable[[], float | None],
        long_since: Callable[[], float | None],
        overdue: Callable[[], Collection[Connection]],
        began: Callable[[], None],
        ended: Callable[[], None],
        fence: Fence,
    ) -> None:
        self._connect = connect
        self._silent_since = silent_since
        self._long_since = long_since
        self._overdue = overdue
        self._answered = 0.0  # when a probe was, on the same clock
        self._began = began
        self._ended = ended
        self._fence = fence
        self._suspicion = asyncio.Event()
        self._connections: WeakSet[Connection] = WeakSet()
        self.is_on = False

    async def opened(self, connection: Connection) -> None:
        """Take note of a connection, which an outage cuts."""
        self._connections.add(connection)

    def suspect(self) -> None:
        """Have it looked at now: a connection could not be opened."""
        self._suspicion.set()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._suspicion.wait()
            for connection in self._overdue():
                _log.warning("PostgreSQL leaves one connection without an answer: it is cut")
                _cut(connection)
            if self._suspicion.is_set() or self._is_silent():
                self._suspicion.clear()
                if not await self._answers():
                    await self._last()
                continue
            if self._fence.is_needed:
                await self._fence.raised()  # it could not be when it was first tried
            silent = self._scan_silence()
            if silent <= SCAN_SILENT_SECONDS or await self._answers():
                continue
            if silent > SCAN_LOST_SECONDS:
                await self._last()

    async def _last(self) -> None:
        """Begin the outage; return at its end."""
        self.is_on = True
        _log.error("PostgreSQL is away")
        self._began()
        # Whoever waits for an answer learns now that there is none. What a write came to is unknown
        # then, as after any broken connection (D2), until the fence is raised.
        for connection in list(self._connections):
            _cut(connection)
        while not (await self._answers() and await self._fence.raised()):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(_RETRY_SECONDS)
        self.is_on = False
        self._suspicion.clear()
        self._ended()
        _log.info("PostgreSQL is back")

    def _is_silent(self) -> bool:
        since = self._silent_since()
        return since is not None and time.monotonic() - since > SILENT_SECONDS

    def _scan_silence(self) -> float:
        """Return for how many seconds neither a scan nor a probe beside it has ended."""
        since = self._long_since()
        return 0 if since is None else time.monotonic() - max(since, self._answered)

    async def _answers(self) -> bool:
        """Return whether PostgreSQL is there: it takes a new connection, or keeps those it has."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection = await self._connect()
                await connection.close()
        except TimeoutError:
            return False
        except (*UNAVAILABLE, OSError):
            # It may have no place left for one more. Where it is gone, those that it had are dead.
            if all(is_dead(each) for each in list(self._connections)):
                return False
        self._answered = time.monotonic()
        return True


def is_dead(connection: Connection) -> bool:
    """Return whether PostgreSQL has ended an idle connection: it says so, and nothing else.

    Costs no round trip. What is sent over one that is dead has not been carried out.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def _cut(connection: Connection) -> None:
    # Closing it here would take the descriptor away under whoever waits for it; this is the end of
    # the conversation for them. A descriptor of our own, since the object closes what it is given.
    with (
        contextlib.suppress(*UNAVAILABLE, OSError),
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours,
    ):
        ours.shutdown(socket.SHUT_RDWR)
