"""A process that sweeps once, when it is told to: python -m tests.crash.sweeper URL BLOBS

It says "ready", waits for a line, sweeps, and says "done", or what kept it from it.
"""

import asyncio
import sys
from contextlib import closing
from pathlib import Path

from server.blobs.errors import StorageError
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata.errors import MetadataError
from server.metadata.store import Metadata


async def sweep_once(database_url: str, blobs: Path) -> None:
    store = BlobStore.open(blobs, inline_limit=0, threads=1, read_only=ReadOnlyFlag())
    with closing(store):
        async with Metadata.opened(database_url, connections=1, timeout_seconds=20) as metadata:
            sweep = Sweep(metadata, store, grace_seconds=0)
            # Its connection and its thread are there before anybody counts calls.
            async with metadata.connection() as conn:
                await conn.execute("SELECT 1")
            await store.remove_stale_staging()
            say("ready")
            sys.stdin.readline()
            try:
                await sweep.run()
            except (MetadataError, StorageError) as error:
                say(type(error).__name__)
            else:
                say("done")


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(sweep_once(sys.argv[1], Path(sys.argv[2])))
