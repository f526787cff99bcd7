"""A sweep of everything, as hours later it would be."""

import contextlib

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata.store import Metadata
from tests.fix_server import RunningServer
from tests.invariants import leftovers_in_the_end


async def sweep(server: RunningServer) -> None:
    """Sweep without grace, orphans too: no request may be under way."""
    assert server.data is not None
    store = BlobStore.open(
        server.data / "blobs", inline_limit=0, threads=2, read_only=ReadOnlyFlag()
    )
    with contextlib.closing(store):
        async with Metadata.opened(
            server.metadata_url, connections=2, timeout_seconds=20
        ) as metadata:
            sweeping = Sweep(metadata, store, grace_seconds=0)
            await sweeping.trash_orphans(age_seconds=-60)
            await sweeping.run()
            # What the first pass met locked, the second finds free.
            await sweeping.run()


async def left_after_a_sweep(server: RunningServer) -> list[str]:
    """Return what no sweep takes away."""
    await sweep(server)
    assert server.data is not None
    # The server sweeps by itself, too, and may be in the middle of it.
    return await leftovers_in_the_end(server.metadata_url, server.data / "blobs")
