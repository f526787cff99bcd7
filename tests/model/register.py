"""Judges whether what several clients saw of one key has an order that a single key explains.

A history is linearizable if every operation can be given one moment between its beginning and its
end such that, one after the other, they do what their answers say. An operation that was never
answered may have its moment at any time after its beginning, or none.

The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's
memory of configurations that were tried in vain ("Testing for linearizability", 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

Value = int | None  # None: the key holds nothing


@dataclass(frozen=True, slots=True)
class Anything:
    """Stands for every value, or for the value that is there."""


ANY: Final = Anything()
KEPT: Final = Anything()


@dataclass(frozen=True, slots=True)
class Event:
    """An operation on the key, as its client saw it.

    equals, differs: what the answer says of the value at the moment of the operation.
    becomes: the value that it leaves; KEPT for a read and for a write that was refused.
    ended: inf where no answer came; the rest is then what happened if it happened.
    """

    name: str
    began: float
    ended: float
    equals: Value | Anything = ANY
    differs: frozenset[Value] = frozenset()
    becomes: Value | Anything = KEPT

    def follows(self, value: Value) -> bool:
        """Tell whether the operation can have met this value."""
        return (self.equals is ANY or self.equals == value) and value not in self.differs

    def leaves(self, value: Value) -> Value:
        """Return the value after it."""
        return value if isinstance(self.becomes, Anything) else self.becomes

    def __str__(self) -> str:
        return f"{self.name} [{self.began:.4f} to {self.ended:.4f}]"

    @property
    def must_happen(self) -> bool:
        return self.ended < inf


@dataclass(frozen=True)
class Stuck:
    """Where the search got furthest: how many events have an order, and what cannot follow."""

    explained: int
    value: Value
    next: Sequence[Event]

    def __str__(self) -> str:
        following = "".join(f"\n  {event}" for event in self.next)
        return (
            f"after {self.explained} events the key holds {self.value},"
            f" and none of these can be next:{following}"
        )


def contradiction(history: Sequence[Event], *, initially: Value = None) -> Stuck | None:
    """Return None where the history of the key is linearizable, else where it ceases to be."""
    events = sorted(history, key=lambda event: event.began)
    demanded = sum(1 << n for n, event in enumerate(events) if event.must_happen)
    furthest = (0, initially)
    tried = {furthest}
    to_try = [furthest]
    while to_try:
        done, value = to_try.pop()
        if done & demanded == demanded:
            return None
        if done.bit_count() > furthest[0].bit_count():
            furthest = (done, value)
        for following in _followers(events, done, value):
            if following not in tried:
                tried.add(following)
                to_try.append(following)
    done, value = furthest
    return Stuck(done.bit_count(), value, [events[n] for n in _candidates(events, done)])


def _followers(events: Sequence[Event], done: int, value: Value) -> Iterator[tuple[int, Value]]:
    """Yield each configuration that is one event further."""
    possible = [n for n in _candidates(events, done) if events[n].follows(value)]
    for n in possible:
        if events[n].becomes is KEPT:
            # It changes nothing, so nothing is lost by giving it the very next moment.
            yield done | 1 << n, value
            return
    for n in possible:
        yield done | 1 << n, events[n].leaves(value)


def _candidates(events: Sequence[Event], done: int) -> Iterator[int]:
    """Yield the events that may be next: those that began before any other of the rest ended."""
    # The lowest bit that is not set: everything before it has its place.
    n = (~done & (done + 1)).bit_length() - 1
    first_end = inf
    while n < len(events) and events[n].began <= first_end:
        if not done >> n & 1:
            first_end = min(first_end, events[n].ended)
            yield n
        n += 1
