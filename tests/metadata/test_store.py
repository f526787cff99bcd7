"""Changes that have a transaction of their own, and callers that are cancelled meanwhile."""

import asyncio

import pytest

from server.metadata.connection import Connection
from server.metadata.store import Metadata
from server.model.bucket import Bucket
from tests.metadata.asked import soon
from tests.metadata.rows import Decision


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_writer_cancelled_in_the_middle_returns_once_its_transaction_has_ended(
    metadata: Metadata, home: Bucket, allowed: Decision, conn: Connection, times: int
) -> None:
    """However often: a staged file that the change publishes stays valid until then."""
    is_begun, gate = asyncio.Event(), asyncio.Event()

    async def change(mine: Connection) -> None:
        await mine.execute("UPDATE bucket SET region = 'elsewhere' WHERE id = %s", [home.id])
        is_begun.set()
        await gate.wait()

    writing = asyncio.create_task(metadata.write(allowed, home.id, change))
    await is_begun.wait()
    for _ in range(times):
        writing.cancel()
        await soon()
    still_waiting = not writing.done()
    gate.set()
    await asyncio.wait([writing])
    row = await (await conn.execute("SELECT region FROM bucket")).fetchone()

    assert still_waiting
    assert writing.cancelled()
    assert row == ("elsewhere",)
