"""Waiting for work in threads without ever leaving it behind."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


async def ended(*jobs: "Future[Result]") -> "list[asyncio.Future[Result]]":
    """Return the jobs, done or failed, once none of them runs any more.

    A cancellation is raised only then: no thread still uses what the caller goes on to close.
    """
    waiters = [asyncio.wrap_future(job) for job in jobs]
    cancellation: asyncio.CancelledError | None = None
    while running := [waiter for waiter in waiters if not waiter.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancellation = error
    for waiter in waiters:
        # Marks the error as seen; asyncio would print it when the future is dropped.
        waiter.exception()
    if cancellation is not None:
        raise cancellation
    return waiters


async def run(
    threads: Executor,
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Return what the blocking function returns. It runs to its end even when cancelled."""
    (waiter,) = await ended(threads.submit(function, *args, **kwargs))
    return waiter.result()
