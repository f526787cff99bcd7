"""Values: what is made once and never changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True)
def value(*, kw_only: bool = False) -> Callable[[type[_Class]], type[_Class]]:
    """Return a decorator that makes a class a dataclass with slots, frozen to the type checker.

    mypy refuses every assignment to a field. Python itself does not: a frozen dataclass sets each
    field through object.__setattr__, which costs 0.3 µs a field, and a request is made of some
    seventy. Instances of equal fields are equal and have the same hash.
    """

    def decorate(cls: type[_Class]) -> type[_Class]:
        return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)(cls)

    return decorate
