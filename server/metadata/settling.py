"""Waiting for what must not be left half done, however often the one who waits is cancelled."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def settled(future: asyncio.Future[Any]) -> None:
    """Return once the future is done; its result, or its error, is nobody's to hear of.

    For a caller that was cancelled and raises that when this returns: what it opened for the
    future's work must stay open until then. Cancelling it again changes nothing.
    """
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        future.exception()  # asyncio would print it when the future is dropped


async def results(works: Iterable[Awaitable[Result]]) -> list[Result]:
    """Return the results of all, in order, once all have ended; raise the first error only then.

    asyncio.gather leaves the others to themselves where one fails: what they change would come
    after the answer that says that it failed.
    """
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    found: list[Result] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        found.append(outcome)
    return found
