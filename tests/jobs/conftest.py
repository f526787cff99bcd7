import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.metadata.connection import Connection
from server.metadata.store import Metadata
from tests.jobs.node import Node
from tests.jobs.scrubbing import Logged
from tests.metadata.rows import new_bucket


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty blob directory: to copy one takes less fsyncs than to make one."""
    return open_layout(tmp_path_factory.mktemp("template") / "blobs", ReadOnlyFlag()).root


@pytest.fixture
def store(tmp_path: Path, template: Path) -> Iterator[BlobStore]:
    shutil.copytree(template, tmp_path / "blobs")
    opened = BlobStore.open(
        tmp_path / "blobs", inline_limit=0, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    yield opened
    opened.close()


@pytest.fixture
async def node(database_url: str, store: BlobStore) -> AsyncIterator[Node]:
    # One connection for all: no step of the sweep may wait for a second one.
    async with Metadata.opened(database_url, connections=1, timeout_seconds=5) as metadata:
        async with metadata.transaction() as conn:
            home = await new_bucket(conn)
        yield Node(database_url, metadata, store, home)


@pytest.fixture
async def conn(node: Node) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(node.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Metadata]:
    """The metadata as another process has them."""
    async with Metadata.opened(database_url, connections=1, timeout_seconds=5) as metadata:
        yield metadata


@pytest.fixture
def logged() -> Iterator[Logged]:
    """The events that were logged, in order."""
    with structlog.testing.capture_logs() as events:
        yield events
