"""A small server on our worker processes: python -m tests.workers.echo_server '{"workers": 2}'.

The argument holds settings. Each line that a connection sends is a command:
pid            answers with the number of the worker's process
slow SECONDS   answers the same, later
hang           blocks the worker's event loop for good
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import cast

from server import logs
from server.config import Settings
from server.config_values import Address
from server.http.accept import Listener
from server.http.bind import bind
from server.http.workers import serve

OPEN: set["Echo"] = set()
BUSY: set[asyncio.Task[None]] = set()


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own transport, which is none of asyncio's classes.
        self.transport = cast(asyncio.Transport, transport)
        OPEN.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        OPEN.discard(self)

    def data_received(self, data: bytes) -> None:
        command, _, seconds = data.decode().strip().partition(" ")
        if command == "hang":
            time.sleep(3600)
        task = asyncio.get_running_loop().create_task(self.answer(float(seconds or 0)))
        BUSY.add(task)
        task.add_done_callback(BUSY.discard)

    async def answer(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.transport.write(b"%d\n" % os.getpid())


async def run_worker(
    settings: Settings,
    listeners: Sequence[Listener],
    shared: object,
    stopping: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    if shared == "broken":
        raise RuntimeError("this worker cannot start")
    for listener in listeners:
        listener.start(
            Echo,
            connections=lambda: len(OPEN),
            limit=settings.max_connections,
            refuse_at_once=lambda _: False,
            make_refusal=asyncio.Protocol,
        )
    ready()
    await stopping.wait()
    for listener in listeners:
        await listener.stop()
    if BUSY:
        await asyncio.wait(BUSY)


def fail() -> None:
    raise KeyError("nobody foresaw this")


def main() -> int:
    given = json.loads(sys.argv[1])
    shared = given.pop("shared", None)
    each_second = fail if given.pop("fails_each_second", False) else lambda: None
    settings = Settings(address=Address("127.0.0.1", 0), **given)
    logs.configure("json", "info")
    return serve(
        settings,
        bind(settings.address),
        lambda: run_worker,
        shared=shared,
        each_second=each_second,
    )


if __name__ == "__main__":
    sys.exit(main())
