import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.blobs.threads import ended, run


async def test_run_returns_what_the_function_returns() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert await run(threads, "{}-{last}".format, "a", last="b") == "a-b"


async def test_run_raises_what_the_function_raises() -> None:
    with ThreadPoolExecutor(1) as threads, pytest.raises(ZeroDivisionError):
        await run(threads, divmod, 1, 0)


async def test_run_that_is_cancelled_twice_ends_only_after_its_thread() -> None:
    started, may_end = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        may_end.wait()

    with ThreadPoolExecutor(1) as threads:
        task = asyncio.create_task(run(threads, work))
        await asyncio.to_thread(started.wait)
        task.cancel()
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)
        was_done_before = task.done()
        may_end.set()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert not was_done_before


async def test_ended_waits_for_all_and_raises_nothing() -> None:
    with ThreadPoolExecutor(2) as threads:
        failed, done = await ended(threads.submit(divmod, 1, 0), threads.submit(divmod, 7, 2))

    assert isinstance(failed.exception(), ZeroDivisionError)
    assert done.result() == (3, 1)
