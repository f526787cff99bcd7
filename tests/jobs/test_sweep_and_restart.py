"""PostgreSQL is killed and started again in the middle of a sweep, which loses the locks it holds.

The sweep does not know, and goes on with the files. Whoever uploads the same bytes in between finds
nothing locked. durability.md, "Sweeping": no blob that lives is lost, and the next pass tidies up.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import PGconn, Ping

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.errors import MetadataUnavailable
from server.metadata.schema import schema_sql
from server.metadata.store import Metadata
from server.model.names import BlobDigest
from tests.blobs.bodies import random_bytes
from tests.jobs.node import Node
from tests.metadata.postgres_processes import postmaster

pytestmark = [pytest.mark.crash, pytest.mark.slow]

BODY = random_bytes(10_000)
RESTART_SECONDS = 60
# Each attempt finds one broken connection at most.
TRIES = 10

Interruption = Callable[[], Awaitable[None]]


class InterruptedStore(BlobStore):
    """A blob directory; once, before or after a step of the sweep, something else happens."""

    interruptions: dict[str, Interruption]

    async def trash(self, digests: Collection[BlobDigest]) -> None:
        await self._interrupt("before trash")
        await super().trash(digests)
        await self._interrupt("after trash")

    async def unlink_trashed(self, digests: Collection[BlobDigest]) -> None:
        await self._interrupt("before unlink")
        await super().unlink_trashed(digests)
        await self._interrupt("after unlink")

    async def _interrupt(self, moment: str) -> None:
        if interruption := self.interruptions.pop(moment, None):
            await interruption()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restarted") / "postgres"


@pytest.fixture(scope="module")
def postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(directory) as running:
        yield running


@pytest.fixture
def restart(directory: Path, postgres: EmbeddedPostgres) -> Interruption:
    """Kills every process of PostgreSQL; returns once it was started again and has recovered."""

    async def restart() -> None:
        os.killpg(os.getpgid(postmaster(directory)), signal.SIGKILL)
        # Another one each time: each waits before it starts PostgreSQL for a second time.
        successor = EmbeddedPostgres(directory)
        for _ in range(RESTART_SECONDS * 20):
            successor.restart_if_dead()
            if PGconn.ping(postgres.url.encode()) == Ping.OK:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("PostgreSQL does not come back")

    return restart


@pytest.fixture
async def node(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Node]:
    open_layout(tmp_path / "blobs", ReadOnlyFlag())
    store = InterruptedStore.open(
        tmp_path / "blobs", inline_limit=0, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    assert isinstance(store, InterruptedStore)
    store.interruptions = {}
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
        conn.execute(schema_sql())
    async with Metadata.opened(postgres.url, connections=2, timeout_seconds=20) as metadata:
        yield await Node.made(postgres.url, metadata, store)
    store.close()


async def insist(attempt: Callable[[], Awaitable[None]]) -> None:
    """Try as clients try again that are answered 503."""
    for _ in range(TRIES):
        try:
            return await attempt()
        except MetadataUnavailable:
            continue
    raise AssertionError("PostgreSQL stays unavailable")


@pytest.mark.parametrize("moment", ["before trash", "after trash", "before unlink", "after unlink"])
async def test_a_restart_in_the_middle_of_a_sweep_leaves_work_for_the_next_one(
    node: Node, restart: Interruption, moment: str
) -> None:
    await node.put("k", BODY)
    await node.delete("k")
    interrupt(node, moment, restart)

    with pytest.raises(MetadataUnavailable):
        await node.sweep()

    assert node.broken() == []
    await insist(node.sweep)
    assert node.leftovers() == []


@pytest.mark.parametrize("moment", ["before trash", "after trash", "before unlink", "after unlink"])
async def test_bytes_that_are_uploaded_after_the_restart_outlive_the_sweep(
    node: Node, restart: Interruption, moment: str
) -> None:
    """The sweep is between its locks, which are gone, and its files."""

    async def restart_and_upload() -> None:
        await restart()
        await insist(lambda: node.put("again", BODY))

    await node.put("k", BODY)
    await node.delete("k")
    interrupt(node, moment, restart_and_upload)

    with pytest.raises(MetadataUnavailable):
        await node.sweep()

    assert node.broken() == []  # a reader finds it, in trash/ perhaps
    await insist(node.sweep)
    assert node.at_its_place(BODY).exists()
    assert node.leftovers() == []
    assert node.broken() == []


async def test_an_orphan_that_is_uploaded_while_it_is_adopted_outlives_the_sweep(
    node: Node, restart: Interruption
) -> None:
    """The row that the sweep gave it is gone, and the upload makes its own."""

    async def restart_and_upload() -> None:
        await restart()
        await insist(lambda: node.put("k", BODY))

    await node.publish(BODY)
    interrupt(node, "before trash", restart_and_upload)

    with pytest.raises(MetadataUnavailable):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).trash_orphans(age_seconds=-60)

    assert node.broken() == []
    await insist(node.sweep)
    assert node.at_its_place(BODY).exists()
    assert node.leftovers() == []


def interrupt(node: Node, moment: str, interruption: Interruption) -> None:
    assert isinstance(node.blobs, InterruptedStore)
    node.blobs.interruptions[moment] = interruption
