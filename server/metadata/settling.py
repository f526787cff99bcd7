"""Waiting for what must not be left half done, however often the one who waits is cancelled."""

import asyncio
import contextlib
from typing import Any


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
