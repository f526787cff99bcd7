"""How many requests a worker works on at a time, and what becomes of those beyond that.

A client that was refused asks again at once, and each refusal costs a good part of what an answer
does: a server that refuses as fast as it can has no time left for what it took on. So a request
beyond the limit waits for its turn, for a moment, before it is refused. Waiting costs nothing, and
no client can ask more often than once a moment.
"""

import asyncio
from collections import deque
from typing import Final, NamedTuple

# Well below the second within which a refusal is promised: the answer must travel, too.
WAIT_SECONDS: Final = 0.5


class _Waiting(NamedTuple):
    until: float  # of the loop's clock
    turn: asyncio.Future[bool]


class Admission:
    """The places of one worker. Nobody waits for longer than WAIT_SECONDS.

    limit: requests inside at most. Each connection waits with one request at most, so those that
    wait are bounded by `max_connections`.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def enter_at_once(self) -> bool:
        """Return whether there was a place; whoever has it calls leave()."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def enter(self) -> bool:
        """Return whether a place became free in time; whoever has it calls leave()."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(loop.time() + WAIT_SECONDS, loop.create_future())
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = loop.call_at(waiting.until, self._refuse_who_waited)
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.result():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to the first who waits."""
        while self._waiting:
            turn = self._waiting.popleft().turn
            if not turn.done():
                turn.set_result(True)
                return
        self._free += 1

    def _refuse_who_waited(self) -> None:
        # One timer for all: they wait in the order in which their time ends.
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._waiting:
            until, turn = self._waiting[0]
            if until > loop.time() and not turn.done():
                self._timer = loop.call_at(until, self._refuse_who_waited)
                return
            self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)
