import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from server.metadata import outage
from server.metadata.connection import Connection, connect
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.store import Metadata
from server.model.bucket import Bucket
from tests.metadata.asked import Asked
from tests.metadata.rows import Decision, new_bucket
from tests.metadata.wire import Wire


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


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is noticed within a second or two."""
    monkeypatch.setattr(outage, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(outage, "PROBE_SECONDS", 1.0)
    monkeypatch.setattr(outage, "_LOOK_SECONDS", 0.1)


@pytest.fixture
async def wire(database_url: str, tmp_path: Path) -> AsyncIterator[Wire]:
    """A way to PostgreSQL that can be made to fall silent."""
    where = psycopg.conninfo.conninfo_to_dict(database_url)
    if not str(where.get("host", "")).startswith("/"):
        pytest.skip("the PostgreSQL of the tests has no socket that we could stand before")
    wire = Wire(tmp_path / ".s.PGSQL.5432", f"{where['host']}/.s.PGSQL.{where['port']}")
    server = await asyncio.start_unix_server(wire.serve, wire.path)
    yield wire
    wire.speak()
    server.close()
    for writer in wire.writers:
        writer.close()


@pytest.fixture
def wire_url(database_url: str, wire: Wire) -> str:
    """The URL of the database behind the wire."""
    where = psycopg.conninfo.conninfo_to_dict(database_url)
    host = quote(str(wire.path.parent), safe="")
    return f"postgresql://{where['user']}@/{where['dbname']}?host={host}&port=5432"


@pytest.fixture
async def behind_wire(hurry: None, wire_url: str) -> AsyncIterator[Metadata]:
    """The metadata of a worker that soon notices when the wire falls silent."""
    async with Metadata.opened(wire_url, connections=2, timeout_seconds=60) as opened:
        await opened.settings.refresh()
        yield opened
