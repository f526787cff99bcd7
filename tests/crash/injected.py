"""A server with one worker, which is hit at the n-th call that one of its threads makes.

strace counts the calls of a thread from the moment it attaches, so the n-th call is the n-th of the
request that is sent then. How many there are is found out by counting.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.crash.kinds import BUCKET, Case
from tests.crash.tracing import calls, traced
from tests.fix_s3 import Disk, S3Client, client_of
from tests.fix_server import RunningServer, own_database, running_server
from tests.processes import workers_of
from tests.wire import Answer

SETTINGS = {
    # One thread writes files and one reads them.
    "S3D_BLOB_THREADS": "1",
    # Nobody but the request makes calls; who looks at what a crash left sweeps by itself.
    "S3D_SWEEP_INTERVAL_SECONDS": "3600",
    "S3D_SCRUB_BYTES_PER_SECOND": "0",
    "S3D_TRASH_GRACE_SECONDS": "0",
}
WARM_UP_SECONDS = 60
# The free space is looked at once a second.
FREE_SPACE_SECONDS = 1.1
LOOP, WRITER, READER = "event loop", "thread that writes", "thread that reads"

# What only waits, or asks the kernel about itself, is in neither: to die there is to die before the
# next call.
FILE_CALLS = frozenset(
    {"openat", "flock", "newfstatat", "fstat", "fallocate", "fadvise64", "read", "pread64"}
    | {"write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link"}
    | {"unlink", "unlinkat", "mkdir", "getdents64", "statfs", "ftruncate", "close"}
)
SOCKET_CALLS = frozenset(
    {"accept4", "socket", "connect", "read", "write", "writev", "sendto", "sendmsg"}
    | {"recvfrom", "recvmsg", "shutdown", "close"}
)


class Node:
    """The server, and what a test does to its worker. Use it with `opened`."""

    def __init__(self, directory: Path, strace: Path, database_url: str | None) -> None:
        self._directory = directory
        self._strace = strace
        self._database_url = database_url
        self._stack = ExitStack()
        self._names = iter(range(1_000_000))
        self.trace = directory / "trace"
        self.server: RunningServer
        self.s3: S3Client

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, directory: Path, strace: Path) -> AsyncIterator["Node"]:
        with own_database() as database_url:
            node = cls(directory, strace, database_url)
            node.start()
            try:
                created = await node.s3.put(f"/{BUCKET}")
                assert created.status == 200, created
                yield node
            finally:
                node.stop()

    def start(self) -> None:
        self.server = self._stack.enter_context(
            running_server(
                self._directory,
                workers=1,
                database_url=self._database_url,
                environment=SETTINGS,
            )
        )
        self.s3 = client_of(self.server)

    def stop(self) -> None:
        self._stack.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def blobs(self) -> Path:
        assert self.server.data is not None
        return self.server.data / "blobs"

    def new_name(self) -> str:
        return f"key-{next(self._names)}"

    async def ready(self) -> int:
        """Return the worker, once it has written and read a file: each of its threads is there."""
        path = f"/{BUCKET}/{self.new_name()}"
        async with asyncio.timeout(WARM_UP_SECONDS):
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    written = await self.s3.put(path, body=os.urandom(20_000))
                    if written.status == 200 and (await self.s3.get(path)).status == 200:
                        (worker,) = workers_of(self.server)
                        return worker
                await asyncio.sleep(0.02)

    def threads(self, worker: int) -> dict[str, int]:
        """Return the threads of the worker that touch files and sockets, by what they do."""
        others = {int(each.name) for each in Path(f"/proc/{worker}/task").iterdir()} - {worker}
        writer = max(others, key=lambda thread: _bytes(worker, thread, "wchar:"))
        reader = max(others - {writer}, key=lambda thread: _bytes(worker, thread, "rchar:"))
        return {LOOP: worker, WRITER: writer, READER: reader}

    async def calls_of(self, case: Case) -> set[tuple[str, str]]:
        """Return which calls the request makes, with what the thread does that makes them."""
        worker = await self.ready()
        await asyncio.sleep(FREE_SPACE_SECONDS)
        options = ("-f", "-e", "trace=%file,%desc,%network")
        async with traced(self._strace, worker, self.trace, *options):
            answer = await case.send()
        assert answer.status in (200, 204), answer
        roles = {thread: role for role, thread in self.threads(worker).items()}
        made = calls(self.trace)
        by_others = [c.text for c in made if c.thread not in roles and str(self.blobs) in c.text]
        assert by_others == [], "one thread writes files and one reads them"
        return {(roles[call.thread], call.name) for call in made if call.thread in roles}

    async def send(self, case: Case, role: str, call: str, injection: str) -> Answer | None:
        """Return the answer to the request, None where the connection broke off.

        injection: what strace does to that call of that thread, e.g. "signal=SIGKILL:when=1".
        """
        (worker,) = workers_of(self.server)
        if call == "statfs":
            await asyncio.sleep(FREE_SPACE_SECONDS)
        options = ("-e", f"trace={call}", "-e", f"inject={call}:{injection}")
        thread = self.threads(worker)[role]
        async with traced(self._strace, thread, self.trace, *options):
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                return await case.send()
        return None

    def is_alive(self, worker: int) -> bool:
        return worker in workers_of(self.server)

    def hit(self) -> str | None:
        """Return the call that got an error in place of what it asked for, or None."""
        return next(
            (line for line in self.trace.read_text().splitlines() if "(INJECTED)" in line), None
        )

    async def staged(self) -> Sequence[str]:
        return await Disk(self.blobs).staged_afterwards()


def _bytes(worker: int, thread: int, counter: str) -> int:
    counters = Path(f"/proc/{worker}/task/{thread}/io").read_text().split()
    return int(counters[counters.index(counter) + 1])
