import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from psycopg import errors as pg

from server.metadata.batch import Batch
from server.metadata.connection import Connection
from server.metadata.errors import MetadataOverloaded, MetadataUnavailable
from tests.metadata.asked import LARGEST, WAITING, Asked, ask, opened, soon


async def test_questions_that_wait_share_a_round_trip(asked: Asked) -> None:
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        first = ask(batch, 1)
        await asked.taken.acquire()
        rest = ask(batch, 2, 3, 4)
        await soon()
        asked.gate.set()

        answers = await asyncio.gather(*first, *rest)

    assert answers == [2, 4, 6, 8]
    assert asked.batches == [[1], [2, 3, 4]]
    assert asked.connected == 1


async def test_a_batch_takes_no_more_than_its_largest(asked: Asked) -> None:
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        first = ask(batch, 1)
        await asked.taken.acquire()
        rest = ask(batch, *range(2, 8))
        await soon()
        asked.gate.set()

        await asyncio.gather(*first, *rest)

    assert asked.batches == [[1], [2, 3, 4, 5], [6, 7]]


async def test_two_lanes_have_two_batches_under_way(asked: Asked) -> None:
    asked.gate.clear()
    async with opened(asked.batch(lanes=2)) as batch:
        first = ask(batch, 1)
        await asked.taken.acquire()
        second = ask(batch, 2)
        await asked.taken.acquire()
        asked.gate.set()

        assert await asyncio.gather(*first, *second) == [2, 4]
    assert asked.connected == 2


async def test_what_is_above_the_waiting_limit_is_refused_at_once(asked: Asked) -> None:
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        first = ask(batch, 0)
        await asked.taken.acquire()
        waiting = ask(batch, *range(WAITING))
        await soon()

        with pytest.raises(MetadataOverloaded):
            await batch.ask(99)
        asked.gate.set()

        assert await asyncio.gather(*first, *waiting) == [0, *range(0, 2 * WAITING, 2)]


async def test_a_question_that_is_cancelled_while_it_waits_is_never_asked(asked: Asked) -> None:
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        first = ask(batch, 1)
        await asked.taken.acquire()
        given_up, kept = ask(batch, 2, 3)
        await soon()
        given_up.cancel()
        await soon()
        asked.gate.set()

        assert await asyncio.gather(*first, kept) == [2, 6]
    assert given_up.cancelled()
    assert asked.batches == [[1], [3]]


async def test_a_question_cancelled_in_the_turn_in_which_it_is_taken_holds_up_nobody(
    asked: Asked,
) -> None:
    async with opened(asked.batch()) as batch:
        await batch.ask(1)
        given_up, kept = ask(batch, 2, 3)
        await asyncio.sleep(0)  # both have asked, and the lane is about to take them
        given_up.cancel()

        assert await asyncio.wait_for(kept, 5) == 6
        assert await asyncio.wait_for(batch.ask(4), 5) == 8
    assert given_up.cancelled()
    assert asked.batches == [[1], [3], [4]]


async def test_equal_questions_are_cancelled_one_by_one(asked: Asked) -> None:
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        first = ask(batch, 1)
        await asked.taken.acquire()
        kept, given_up = ask(batch, 7, 7)
        await soon()
        given_up.cancel()
        await soon()
        asked.gate.set()

        assert await asyncio.gather(*first, kept) == [2, 14]


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_an_asker_cancelled_after_its_question_was_taken_waits_for_the_batch(
    asked: Asked, times: int
) -> None:
    """However often: what its question refers to, such as a staged file, stays valid meanwhile."""
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        (taken,) = ask(batch, 1)
        await asked.taken.acquire()
        for _ in range(times):
            taken.cancel()
            await soon()
        still_waiting = not taken.done()
        asked.gate.set()
        await asyncio.wait([taken])

        assert still_waiting
        assert taken.cancelled()
        assert await batch.ask(5) == 10


async def test_a_killed_connection_fails_the_batch_and_the_next_question_works(
    asked: Asked, conn: Connection
) -> None:
    async def die(mine: Connection, _: Sequence[int]) -> None:
        asked.before = None
        await conn.execute("SELECT pg_terminate_backend(%s)", [mine.info.backend_pid])

    async with opened(asked.batch(repeatable=False)) as batch:
        asked.before = die

        with pytest.raises(MetadataUnavailable):
            await batch.ask(1)

        assert await batch.ask(2) == 4


async def test_a_repeatable_question_survives_a_killed_connection(
    asked: Asked, conn: Connection
) -> None:
    async def die(mine: Connection, _: Sequence[int]) -> None:
        asked.before = None
        await conn.execute("SELECT pg_terminate_backend(%s)", [mine.info.backend_pid])

    async with opened(asked.batch()) as batch:
        asked.before = die

        assert await batch.ask(1) == 2
    assert asked.connected == 2


async def test_a_connection_that_died_while_idle_is_replaced(
    asked: Asked, conn: Connection
) -> None:
    async with opened(asked.batch()) as batch:
        await batch.ask(1)
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

        assert await batch.ask(2) == 4


async def test_no_postgres_is_unavailable_until_there_is_one(asked: Asked) -> None:
    async def fail() -> Connection:
        asked.batches.append([])
        raise psycopg.OperationalError("connection refused")

    connects = [fail, fail, asked.connect]
    batch = Batch(
        asked.answer,
        lambda: connects.pop(0)(),
        lanes=1,
        largest=LARGEST,
        waiting=WAITING,
        repeatable=True,
        timeout_seconds=10,
    )
    async with opened(batch):
        with pytest.raises(MetadataUnavailable):
            await batch.ask(1)

        assert await batch.ask(2) == 4


async def test_a_batch_that_postgres_does_not_answer_is_given_up(asked: Asked) -> None:
    async def sleep(conn: Connection, _: Sequence[int]) -> None:
        await conn.execute("SELECT pg_sleep(60)")

    async with opened(asked.batch(timeout_seconds=0.3, repeatable=False)) as batch:
        asked.before = sleep
        with pytest.raises(MetadataUnavailable):
            await batch.ask(1)
        asked.before = None

        assert await batch.ask(2) == 4


async def test_one_poisonous_question_does_not_spoil_its_batch(asked: Asked) -> None:
    async def choke(conn: Connection, questions: Sequence[int]) -> None:
        if 3 in questions:
            await conn.execute("SELECT 1 / 0")

    asked.before = choke
    asked.gate.clear()
    async with opened(asked.batch()) as batch:
        first = ask(batch, 1)
        await asked.taken.acquire()
        rest = ask(batch, 2, 3, 4)
        await soon()
        asked.gate.set()
        answers = await asyncio.gather(*first, *rest, return_exceptions=True)

        assert await batch.ask(5) == 10
    assert answers[:2] == [2, 4]
    assert isinstance(answers[2], pg.DivisionByZero)
    assert answers[3] == 8
    assert asked.connected == 1


@pytest.mark.parametrize(
    ("deadlocks", "answer"),
    [
        pytest.param(1, 2, id="one"),
        pytest.param(4, 2, id="four"),
        pytest.param(5, None, id="five, which is too many"),
    ],
)
async def test_the_victim_of_a_deadlock_is_asked_again(
    asked: Asked, deadlocks: int, answer: int | None
) -> None:
    left = deadlocks

    async def deadlock(conn: Connection, _: Sequence[int]) -> None:
        nonlocal left
        if left:
            left -= 1
            await conn.execute(
                "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$"
            )

    asked.before = deadlock
    async with opened(asked.batch(repeatable=False)) as batch:
        (outcome,) = await asyncio.gather(batch.ask(1), return_exceptions=True)

    assert outcome == answer or (answer is None and isinstance(outcome, MetadataUnavailable))


async def test_closing_fails_what_is_under_way_and_what_waits(asked: Asked) -> None:
    asked.gate.clear()
    batch = asked.batch()
    taken = ask(batch, 1)
    await asked.taken.acquire()
    waiting = ask(batch, 2, 3)
    await soon()

    await batch.close()

    outcomes = await asyncio.gather(*taken, *waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [MetadataUnavailable] * 3


@pytest.mark.parametrize("ends", ["closed", "broken"])
async def test_who_was_given_up_is_told_so_however_that_ends(asked: Asked, ends: str) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def give_up(questions: Sequence[int]) -> None:
        begun.set()
        await goes_on.wait()
        raise RuntimeError("broken")

    async def cut(conn: Connection, questions: Sequence[int]) -> None:
        await conn.close()

    asked.before = cut
    batch = asked.batch(repeatable=False, gave_up=give_up)
    asking = asyncio.create_task(batch.ask(1))
    await begun.wait()
    if ends == "broken":
        goes_on.set()
    else:
        await batch.close()

    async with asyncio.timeout(5):
        with pytest.raises(MetadataUnavailable):
            await asking
    if ends == "broken":
        asked.before = None
        assert await batch.ask(2) == 4
    await batch.close()


async def test_closing_fails_those_too_who_are_asked_alone_after_a_batch_that_failed(
    asked: Asked,
) -> None:
    asked_alone = asyncio.Event()

    async def spoil(_: Connection, questions: Sequence[int]) -> None:
        if len(questions) > 1:
            raise ValueError
        if questions[0] == 2:
            asked_alone.set()
            await asyncio.Event().wait()

    asked.gate.clear()
    asked.before = spoil
    batch = asked.batch()
    first = ask(batch, 1)
    await asked.taken.acquire()
    spoilt = ask(batch, 2, 3, 4)
    await soon()
    asked.gate.set()
    await asked_alone.wait()

    await batch.close()

    done, _ = await asyncio.wait(spoilt, timeout=5)
    assert await asyncio.gather(*first) == [2]
    assert [type(each.exception()) for each in done] == [MetadataUnavailable] * 3
