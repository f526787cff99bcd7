"""What must hold of a server after a crash, whatever crashed."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence

import psycopg

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata.errors import MetadataError
from server.metadata.store import Metadata
from tests.crash.load import Load
from tests.fix_s3 import client_of
from tests.fix_server import RunningServer
from tests.invariants import broken, leftovers

QUIET_SECONDS = 20
_BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 's3d' AND state <> 'idle'
       AND pid <> pg_backend_pid()
"""


async def assert_nothing_is_lost(server: RunningServer, load: Load) -> None:
    """Compare the ledger with what can be read, the database with the disk, and then sweep.

    No client may be writing.
    """
    assert server.data is not None
    blobs = server.data / "blobs"
    async with in_silence(server):
        assert await load.refuted(client_of(server)) == []
        assert broken(server.metadata_url, blobs) == []
        assert await left_after_a_sweep(server) == []
        assert broken(server.metadata_url, blobs) == []
        assert await load.refuted(client_of(server)) == []


@contextlib.asynccontextmanager
async def in_silence(server: RunningServer) -> AsyncIterator[None]:
    """Keep the sweep of the server away, and wait until the last request has ended.

    Else a file may go between the look at its row and the look at the disk. No client is running;
    what the block asks for is all that happens.
    """
    async with await psycopg.AsyncConnection.connect(server.metadata_url, autocommit=True) as conn:
        # What Metadata.alone("sweep") locks.
        await conn.execute("SELECT pg_advisory_lock(1, hashtext('sweep'))")
        async with asyncio.timeout(QUIET_SECONDS):
            while (await (await conn.execute(_BUSY)).fetchone()) != (0,):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        yield


def defects_of(server: RunningServer) -> Sequence[str]:
    """Return what the log has of errors that nobody foresaw."""
    assert server.log is not None
    return re.findall(r".*(?:Traceback \(most|request failed).*", server.log.read_text())


async def left_after_a_sweep(server: RunningServer) -> list[str]:
    """Return what is left once orphans, too, are swept, as hours later they would be."""
    assert server.data is not None
    async with _sweep_of(server) as sweep:
        # Twice: an upload of bytes that wait in trash/, cut short, leaves a file that is an orphan
        # only once the row of those in trash/ is gone.
        for _ in range(2):
            await sweep.trash_orphans(age_seconds=-60)
            await sweep.run()
    return leftovers(server.metadata_url, server.data / "blobs")


@contextlib.asynccontextmanager
async def restless_sweep(server: RunningServer) -> AsyncIterator[None]:
    """Let another node sweep without rest, whatever happens to the server meanwhile.

    So a database that dies loses the locks of a sweep that is in the middle of its work.
    """
    async with _sweep_of(server) as sweep:
        sweeping = asyncio.create_task(_sweep_on(sweep))
        try:
            yield
        finally:
            assert not sweeping.done(), sweeping.exception()
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)


async def _sweep_on(sweep: Sweep) -> None:
    while True:
        with contextlib.suppress(MetadataError):
            await sweep.run()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _sweep_of(server: RunningServer) -> AsyncIterator[Sweep]:
    assert server.data is not None
    store = BlobStore.open(
        server.data / "blobs", inline_limit=0, threads=2, read_only=ReadOnlyFlag()
    )
    with contextlib.closing(store):
        async with Metadata.opened(
            server.metadata_url, connections=2, timeout_seconds=20
        ) as metadata:
            yield Sweep(metadata, store, grace_seconds=0)
