"""A batch waits for a moment for those whom it has just answered."""

import asyncio
from collections.abc import Sequence

import pytest

from server.metadata.connection import Connection
from tests.metadata.asked import Asked, ask, opened, soon
from tests.wire import ANSWER_SECONDS


async def test_those_who_were_answered_are_waited_for(asked: Asked) -> None:
    async def slowly(conn: Connection, questions: Sequence[int]) -> None:
        await conn.execute("SELECT pg_sleep(0.5)")  # patience lasts as long

    asked.before = slowly
    async with opened(asked.batch(patience_seconds=ANSWER_SECONDS)) as batch:
        await asyncio.gather(*ask(batch, 1, 2, 3))
        asked.before = None
        again = ask(batch, 4)
        await asyncio.sleep(0.02)
        again += ask(batch, 5)
        await asyncio.sleep(0.02)
        again += ask(batch, 6)
        await asyncio.gather(*again)

        assert asked.batches == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("patience_seconds", [0, 0.05])
async def test_who_asks_again_does_not_wait_for_ever_for_those_who_do_not(
    asked: Asked, patience_seconds: float
) -> None:
    async with opened(asked.batch(patience_seconds=patience_seconds)) as batch:
        await asyncio.gather(*ask(batch, 1, 2, 3))

        async with asyncio.timeout(ANSWER_SECONDS):
            assert await batch.ask(4) == 8
            assert await batch.ask(5) == 10  # the fourth was expected to ask alone

    assert asked.batches == [[1, 2, 3], [4], [5]]


async def test_one_who_waits_for_those_who_were_answered_can_be_cancelled(asked: Asked) -> None:
    async with opened(asked.batch(patience_seconds=ANSWER_SECONDS)) as batch:
        await asyncio.gather(*ask(batch, 1, 2, 3))
        (waiting,) = ask(batch, 4)
        await soon()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert await batch.ask(5) == 10

    assert [5] in asked.batches
