"""A server that is stopped, killed and started again, and a client on each of its workers."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import psycopg

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, own_database, running_server
from tests.model.clients import GONE
from tests.processes import workers_of
from tests.wire import connected

Victim = Literal["first worker", "second worker", "connections", "server", "everything"]

WORKERS = 2
# Nothing sweeps but the test, no silent connection is closed.
SETTINGS = {"S3D_SWEEP_INTERVAL_SECONDS": "3600", "S3D_KEEP_ALIVE_SECONDS": "3600"}
GIVE_UP_SECONDS = 60
# The default of S3D_DATABASE_CONNECTIONS, and these with those of the batches.
BORROWED = 8
BROKEN_AT_MOST = 2 * BORROWED
_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' -- an autovacuum worker is not ours to end
"""
_BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' AND state <> 'idle'
"""


class Node:
    """A server with two workers. Make it, start it, and close it in the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._data_sets = 0
        self._data = contextlib.ExitStack()
        self._database_url: str | None = None
        self._life = contextlib.ExitStack()
        self._server: RunningServer | None = None
        self._connections = contextlib.AsyncExitStack()
        self._clients: dict[str, S3Client] = {}  # by worker

    @property
    def server(self) -> RunningServer:
        assert self._server is not None, "it is not running"
        return self._server

    def start(self) -> None:
        """Start it unless it runs."""
        if self._server is not None:
            return
        if not self._data_sets:
            self._make_data()
        directory = self._directory / str(self._data_sets)
        self._server = self._life.enter_context(
            running_server(directory, database_url=self._database_url, environment=SETTINGS)
        )

    def _make_data(self) -> None:
        self._data_sets += 1
        (self._directory / str(self._data_sets)).mkdir()
        self._database_url = self._data.enter_context(own_database())

    async def stop(self) -> None:
        """Stop it with SIGTERM, or clear away what a kill left."""
        await self._disconnect()
        self._life.close()
        self._server = None

    async def start_afresh(self) -> None:
        """Start it with nothing in it: what a bug has spoilt must not spoil the next run."""
        await self.close()
        self._make_data()
        self.start()

    async def close(self) -> None:
        """Stop it for good."""
        await self.stop()
        self._data.close()

    async def worker(self, number: int) -> S3Client:
        """Return a client on a connection to that worker, counted from 0."""
        try:
            client = list(self._clients.values())[number]
            await client.get("/-/live")
        except (*GONE, IndexError):
            await self._connect()
        return list(self._clients.values())[number]

    async def kill(self, victim: Victim) -> None:
        """Kill it with SIGKILL; return when it serves again and nothing of before is under way."""
        KILLS[victim](self.server)
        if victim in ("server", "everything"):
            await self.stop()
            self.start()
        await self._wait_until_quiet()
        if victim == "connections":
            for number in range(WORKERS):
                await self._find_broken_connections(await self.worker(number))

    async def _wait_until_quiet(self) -> None:
        # The workers first: that takes longer than PostgreSQL needs to read what a dead one sent.
        await self._connect()
        url = self.server.metadata_url
        # Within a transaction pg_stat_activity would say the same again and again.
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            for _ in range(int(GIVE_UP_SECONDS / 0.05)):
                cursor = await conn.execute(_BUSY)
                if (await cursor.fetchone()) == (0,):
                    return
                await asyncio.sleep(0.05)
        raise AssertionError("PostgreSQL is still busy with what dead workers asked")

    async def _find_broken_connections(self, s3: S3Client) -> None:
        """Use every connection of the worker to PostgreSQL, until all are new ones.

        Whoever finds a broken one is answered 503, since it cannot be known what happened (D2).
        """
        good = 0
        for _ in range(BROKEN_AT_MOST):
            answers = [
                await s3.put("/mended"),
                *[await s3.get("/mended?list-type=2") for _ in range(BORROWED)],
                *[await s3.put("/mended/key", body=bytes(size)) for size in (1, 100_000, 100_000)],
                await s3.get("/mended/key"),
                await s3.delete("/mended/key"),
            ]
            good = good + 1 if {answer.status for answer in answers} <= {200, 204} else 0
            if good == 2:
                return
        raise AssertionError("connections to PostgreSQL stay broken")

    async def _disconnect(self) -> None:
        await self._connections.aclose()
        self._clients = {}

    async def _connect(self) -> None:
        """Connect to both workers, as soon as there are two."""
        await self._disconnect()
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while len(self._clients) < WORKERS:
            assert time.monotonic() < deadline, "there are no two workers"
            if len(workers_of(self.server)) == WORKERS:
                with contextlib.suppress(*GONE):
                    await self._try_to_connect()
            if len(self._clients) < WORKERS:
                await asyncio.sleep(0.02)

    async def _try_to_connect(self) -> None:
        """Keep a connection if a worker holds it that no other connection leads to."""
        async with contextlib.AsyncExitStack() as stack:
            wire = await stack.enter_async_context(connected(self.server.endpoint))
            client = client_of(self.server).on(wire)
            worker = (await client.get("/-/live")).worker
            if worker not in self._clients:
                self._clients[worker] = client
                self._connections.push_async_callback(stack.pop_all().aclose)


def _kill_worker(number: int) -> Callable[[RunningServer], None]:
    def kill(server: RunningServer) -> None:
        os.kill(workers_of(server)[number], signal.SIGKILL)

    return kill


def end_connections(server: RunningServer) -> None:
    """End every connection of the server to PostgreSQL, whatever it is doing."""
    with psycopg.connect(server.metadata_url, autocommit=True) as conn:
        conn.execute(_CONNECTIONS)


def _kill_server(server: RunningServer) -> None:
    """The manager and its workers; PostgreSQL lives on."""
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGKILL)


def _kill_everything(server: RunningServer) -> None:
    """An embedded PostgreSQL, too; one that was given is not ours to kill."""
    _kill_server(server)
    if server.database_url is None:
        assert server.data is not None
        pid_file = server.data / "postgres" / "data" / "postmaster.pid"
        postmaster = int(pid_file.read_text().partition("\n")[0])
        assert postmaster > 1
        os.killpg(os.getpgid(postmaster), signal.SIGKILL)


KILLS: dict[Victim, Callable[[RunningServer], None]] = {
    "first worker": _kill_worker(0),
    "second worker": _kill_worker(1),
    "connections": end_connections,
    "server": _kill_server,
    "everything": _kill_everything,
}
VICTIMS: Sequence[Victim] = [*KILLS]
