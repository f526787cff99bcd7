"""A batch that asks a real PostgreSQL, and what it asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from server.metadata.batch import Batch
from server.metadata.connection import Connection, connect

LARGEST = 4
WAITING = 8


class Asked:
    """What a batch asked PostgreSQL, and a gate that holds its answers back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.batches: list[list[int]] = []
        self.taken = asyncio.Semaphore(0)  # released once a batch
        self.gate = asyncio.Event()
        self.gate.set()
        self.connected = 0
        self.before: Callable[[Connection, Sequence[int]], Any] | None = None

    async def connect(self) -> Connection:
        self.connected += 1
        return await connect(self._url, timeout_seconds=5)

    async def answer(self, conn: Connection, questions: Sequence[int]) -> list[int]:
        self.batches.append(list(questions))
        self.taken.release()
        await self.gate.wait()
        if self.before is not None:
            await self.before(conn, questions)
        cursor = await conn.execute(
            "SELECT 2 * n FROM unnest(%s::int[]) WITH ORDINALITY AS q (n, i) ORDER BY i",
            [list(questions)],
        )
        return [row[0] for row in await cursor.fetchall()]

    def batch(self, **changed: Any) -> Batch[int, int]:
        settings: dict[str, Any] = {
            "lanes": 1,
            "largest": LARGEST,
            "waiting": WAITING,
            "repeatable": True,
            "timeout_seconds": 10,
        }
        return Batch(self.answer, self.connect, **(settings | changed))


@contextlib.asynccontextmanager
async def opened(batch: Batch[int, int]) -> AsyncIterator[Batch[int, int]]:
    try:
        yield batch
    finally:
        await batch.close()


def ask(batch: Batch[int, int], *questions: int) -> list["asyncio.Task[int]"]:
    return [asyncio.create_task(batch.ask(question)) for question in questions]


async def soon() -> None:
    """Let whatever can run, run."""
    for _ in range(10):
        await asyncio.sleep(0)
