from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.metadata.connection import Connection, connect
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.store import Metadata
from server.model.bucket import Bucket
from tests.metadata.asked import Asked
from tests.metadata.rows import Decision, new_bucket


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Connection]:
    """A connection in autocommit mode."""
    async with await connect(database_url) as connection:
        yield connection


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    """Another connection in autocommit mode."""
    async with await connect(database_url) as connection:
        yield connection


@pytest.fixture
async def metadata(database_url: str) -> AsyncIterator[Metadata]:
    """The metadata of a worker."""
    async with Metadata.opened(database_url, connections=4, timeout_seconds=10) as opened:
        await opened.settings.refresh()
        yield opened


@pytest.fixture
async def asked(database_url: str) -> Asked:
    """What batches ask the database."""
    return Asked(database_url)


@pytest.fixture
async def home(conn: Connection) -> Bucket:
    """A bucket to keep things in."""
    return await new_bucket(conn)


@pytest.fixture
async def allowed(metadata: Metadata, home: Bucket) -> Decision:
    """A decision under the revision that made the bucket."""
    await metadata.settings.refresh()
    return Decision(metadata, metadata.settings.revision)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where a PostgreSQL is started; none is left behind."""
    directory = tmp_path / "postgres"
    yield directory
    if (directory / "data").exists():
        with EmbeddedPostgres(directory):
            pass
