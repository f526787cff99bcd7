"""The judge of the histories is right: by hand, and against every order of short histories."""

from itertools import permutations
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.register import ANY, KEPT, Event, Value, contradiction


def put(value: Value, began: float, ended: float = inf) -> Event:
    return Event(f"put {value}", began, ended, becomes=value)


def read(value: Value, began: float, ended: float) -> Event:
    return Event(f"read {value}", began, ended, equals=value)


def delete(began: float, ended: float = inf) -> Event:
    return Event("delete", began, ended, becomes=None)


def create(value: Value, began: float, ended: float = inf) -> Event:
    return Event(f"create {value}", began, ended, equals=None, becomes=value)


def not_created(began: float, ended: float) -> Event:
    return Event("not created", began, ended, differs=frozenset({None}))


def replace(old: Value, new: Value, began: float, ended: float = inf) -> Event:
    return Event(f"{old} → {new}", began, ended, equals=old, becomes=new)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing happened"),
        pytest.param([read(None, 0, 1)], id="nothing was there"),
        pytest.param([put(1, 0, 1), read(1, 2, 3)], id="one after the other"),
        pytest.param([put(1, 0, 9), read(1, 2, 3)], id="seen before it was answered"),
        pytest.param([put(1, 0, 9), read(None, 2, 3)], id="not seen before it was answered"),
        pytest.param(
            [put(1, 0, 9), put(2, 0, 9), read(2, 1, 2), read(1, 3, 4)], id="two at once, either way"
        ),
        pytest.param([put(1, 0), read(None, 5, 6), read(1, 7, 8)], id="unanswered, seen late"),
        pytest.param([put(1, 0), read(None, 5, 6)], id="unanswered, never seen"),
        pytest.param([put(1, 0, 1), delete(2, 5), read(1, 3, 4), read(None, 6, 7)], id="deleted"),
        pytest.param([create(1, 0, 5), not_created(0, 5), read(1, 6, 7)], id="one creates"),
        pytest.param([put(1, 0, 1), replace(1, 2, 2, 3), read(2, 4, 5)], id="If-Match holds"),
        pytest.param(
            [put(1, 0, 1), delete(2), create(2, 3, 4), read(2, 5, 6)],
            id="created over an unanswered delete",
        ),
        pytest.param([put(1, 0, 1), put(1, 0, 1), read(1, 1, 2)], id="ends where another begins"),
    ],
)
def test_a_history_that_has_an_order_is_accepted(history: list[Event]) -> None:
    assert contradiction(history) is None


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([read(1, 0, 1)], id="read what nobody wrote"),
        pytest.param([read(1, 0, 1), put(1, 2, 3)], id="read before it was written"),
        pytest.param([put(1, 0, 1), read(None, 2, 3)], id="lost"),
        pytest.param([put(1, 0, 1), put(2, 2, 3), read(1, 4, 5)], id="stale"),
        pytest.param(
            [put(1, 0, 1), put(2, 2, 9), read(2, 3, 4), read(1, 5, 6)], id="new, then old again"
        ),
        pytest.param([put(1, 0, 1), delete(2, 3), read(1, 4, 5)], id="deleted, and back"),
        pytest.param([create(1, 0, 5), create(2, 0, 5)], id="two create one key"),
        pytest.param([not_created(0, 1)], id="refused although nothing was there"),
        pytest.param([put(1, 0, 1), create(2, 2, 3)], id="created what was there"),
        pytest.param(
            [put(0, 0, 1), replace(0, 1, 2, 9), replace(0, 2, 2, 9)], id="a lost update by If-Match"
        ),
        pytest.param(
            [put(1, 0), read(1, 5, 6), read(None, 7, 8)], id="unanswered, seen, and gone again"
        ),
        pytest.param(
            [put(1, 0, 9), put(2, 0, 9), read(1, 1, 2), read(2, 3, 4), read(1, 5, 6)],
            id="two at once, one of them twice",
        ),
    ],
)
def test_a_history_that_no_order_explains_is_rejected(history: list[Event]) -> None:
    assert contradiction(history) is not None


def test_a_rejection_names_what_cannot_follow() -> None:
    found = contradiction([put(1, 0, 1), put(2, 2, 3), read(1, 4, 5)])

    assert found is not None
    assert (found.explained, found.value) == (2, 2)
    assert "read 1" in str(found)


def test_a_long_history_is_judged_without_trying_every_order() -> None:
    history = [put(turn * 10 + n, turn, turn + 1.5) for turn in range(60) for n in range(4)]
    history += [read(turn * 10 + turn % 4, turn + 0.5, turn + 1.2) for turn in range(60)]

    assert contradiction(history) is None
    assert contradiction([*history, read(0, 300, 301)]) is not None


def _has_an_order(history: list[Event]) -> bool:
    """Try every order of every choice of what never was answered."""
    optional = [event for event in history if not event.must_happen]
    for choice in range(1 << len(optional)):
        left_out = [event for n, event in enumerate(optional) if choice >> n & 1]
        happened = [event for event in history if event not in left_out]
        if any(_is_explained(order) for order in permutations(happened)):
            return True
    return False


def _is_explained(order: tuple[Event, ...]) -> bool:
    value: Value = None
    latest_begin = 0.0
    for event in order:
        latest_begin = max(latest_begin, event.began)
        if event.ended < latest_begin or not event.follows(value):
            return False
        value = event.leaves(value)
    return True


VALUES = st.sampled_from([None, 1, 2])


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """At most five events, each with a name of its own."""
    events = []
    for n in range(draw(st.integers(0, 5))):
        began = draw(st.integers(0, 8))
        length = draw(st.sampled_from([1, 2, 5, None]))
        events.append(
            Event(
                str(n),
                began,
                inf if length is None else began + length,
                equals=draw(st.one_of(st.just(ANY), VALUES)),
                differs=frozenset(draw(st.sets(VALUES, max_size=1))),
                becomes=draw(st.one_of(st.just(KEPT), VALUES)),
            )
        )
    return events


@settings(max_examples=200, deadline=None, derandomize=True)
@given(histories())
def test_the_search_finds_what_trying_every_order_finds(history: list[Event]) -> None:
    assert (contradiction(history) is None) == _has_an_order(history)
