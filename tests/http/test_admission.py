"""Places for requests: who has one, who waits for one, and for how long."""

import asyncio
from collections.abc import Iterator

import pytest

from server.http import admission
from server.http.admission import Admission


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(admission, "WAIT_SECONDS", 0.05)
    return


def full(places: int = 1) -> Admission:
    taken = Admission(places)
    assert [taken.enter_at_once() for _ in range(places)] == [True] * places
    return taken


async def waiting(places: Admission) -> asyncio.Task[bool]:
    task = asyncio.create_task(places.enter())
    await asyncio.sleep(0)
    return task


def test_there_are_as_many_places_as_the_limit() -> None:
    places = full(3)

    assert not places.enter_at_once()


def test_a_place_that_is_left_is_free_again() -> None:
    places = full()

    places.leave()

    assert places.enter_at_once()
    assert not places.enter_at_once()


async def test_who_waits_gets_the_place_that_becomes_free_in_order() -> None:
    places = full()
    first, second = await waiting(places), await waiting(places)

    places.leave()

    assert await first
    assert not second.done()
    assert not places.enter_at_once()
    places.leave()
    assert await second


async def test_who_waits_too_long_is_refused(impatient: None) -> None:
    places = full()

    assert not await places.enter()

    places.leave()
    assert places.enter_at_once()
    assert not places.enter_at_once()


async def test_each_waits_for_its_own_time(impatient: None) -> None:
    places = full()
    first = await waiting(places)
    await asyncio.sleep(0.03)
    second = await waiting(places)

    assert not await first
    assert not second.done()
    assert not await second


async def test_who_is_cancelled_while_waiting_takes_no_place() -> None:
    places = full()
    gone, waits = await waiting(places), await waiting(places)

    gone.cancel()
    await asyncio.sleep(0)
    places.leave()

    assert await waits
    places.leave()
    assert places.enter_at_once()


async def test_who_is_cancelled_with_a_place_in_hand_gives_it_back() -> None:
    places = full()
    gone = await waiting(places)

    places.leave()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone

    assert places.enter_at_once()
