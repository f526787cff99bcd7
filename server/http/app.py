"""The composition root: what one worker process is made of, and how it ends."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Final

import structlog

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.config import Settings
from server.http.accept import Listener
from server.http.connection import Connections
from server.http.dispatch import Dispatcher
from server.http.refusals import Refusal, refuse_at_once
from server.http.tls import server_context
from server.jobs.scrub import Scrub
from server.jobs.sweep import Sweep
from server.metadata.store import Metadata
from server.operation import Stores

# Garbage made by requests is freed by reference counts; looking for cycles less often is worth 5 %.
_GC_THRESHOLD: Final = 50_000


async def run_worker(
    settings: Settings,
    listeners: Sequence[Listener],
    read_only: ReadOnlyFlag,
    stopping: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Serve requests until `stopping` is set and those in flight are answered.

    read_only: shared by the workers of the node; see ReadOnlyFlag.
    ready: called once connections are accepted.
    """
    assert settings.database_url is not None, "the embedded one has a URL, too"
    async with contextlib.AsyncExitStack() as stack:
        # Closed after the metadata, whose batches publish blobs until they have ended.
        blobs = BlobStore.open(
            settings.data / "blobs",
            inline_limit=settings.inline_limit_bytes,
            threads=settings.blob_threads,
            read_only=read_only,
            reserve_bytes=settings.disk_reserve_bytes,
        )
        stack.callback(blobs.close)
        metadata = await stack.enter_async_context(
            Metadata.opened(
                settings.database_url,
                connections=settings.database_connections,
                timeout_seconds=settings.database_timeout_seconds,
            )
        )
        sweep = Sweep(metadata, blobs, grace_seconds=settings.trash_grace_seconds)
        await stack.enter_async_context(
            _background(sweep.run_every(settings.sweep_interval_seconds), "sweep")
        )
        if settings.scrub_bytes_per_second:
            scrub = Scrub(
                metadata,
                blobs,
                bytes_per_second=settings.scrub_bytes_per_second,
                every_seconds=settings.scrub_interval_days * 86_400,
            )
            await stack.enter_async_context(_background(scrub.run_for_ever(), "scrub"))
        dispatcher = Dispatcher(settings, Stores(metadata, blobs, settings.region))
        connections = Connections(
            dispatcher.answer,
            head_seconds=settings.header_timeout_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
        )
        _listen(settings, listeners, connections)
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        ready()
        await stopping.wait()

        await asyncio.gather(*(listener.stop() for listener in listeners))
        await connections.shutdown(settings.graceful_timeout_seconds)


def _listen(settings: Settings, listeners: Sequence[Listener], connections: Connections) -> None:
    tls = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        tls = server_context(settings.tls_cert, settings.tls_key)
    for listener in listeners:
        listener.start(
            connections,
            connections=lambda: len(connections),
            limit=settings.max_connections,
            refuse_at_once=refuse_at_once,
            make_refusal=Refusal,
            tls=tls,
            handshake_seconds=settings.header_timeout_seconds,
        )


@contextlib.asynccontextmanager
async def _background(job: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    """Run a job beside the requests; one that fails for good is logged, the requests go on."""
    task = asyncio.create_task(job, name=name)
    task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        structlog.get_logger().error("job failed", job=task.get_name(), exc_info=error)
