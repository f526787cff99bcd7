from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.metadata.store import Metadata
from tests.cli.stopped import Stopped, copied
from tests.jobs.node import Node
from tests.jobs.world import World, fill


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty blob directory: to copy one takes less fsyncs than to make one."""
    return open_layout(tmp_path_factory.mktemp("template") / "blobs", ReadOnlyFlag()).root


@pytest.fixture
async def stopped(tmp_path: Path, template: Path, database_url: str) -> AsyncIterator[Stopped]:
    """A server that holds something of every kind, and does not run."""
    root = copied(template, tmp_path / "data")
    store = BlobStore.open(
        root, inline_limit=0, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    with closing(store):
        async with Metadata.opened(database_url, connections=1, timeout_seconds=5) as metadata:
            node = await Node.made(database_url, metadata, store)
            await fill(node)
            async with await psycopg.AsyncConnection.connect(
                database_url, autocommit=True
            ) as superuser:
                yield Stopped(tmp_path / "data", database_url, World(node, superuser))
