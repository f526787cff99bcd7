from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.store import Metadata
from tests.cli.sites import BODY, Site, client_of_alice, said
from tests.cli.stopped import Stopped, copied
from tests.commands import database, run
from tests.fix_server import own_database, running_server
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    with own_database() as url, running_server(directory, database_url=url) as server:
        data = str(server.data)
        create = ("account", "create", "alice", "--data", data, "--json")
        alice = said(run(*create, environment=database(url)))
        site = Site(server, directory / "archive", alice)
        s3 = client_of_alice(site, server)
        s3.create_bucket(Bucket="photos")
        s3.put_object(Bucket="photos", Key="large", Body=BODY)
        s3.put_object(Bucket="photos", Key="small", Body=b"small", Metadata={"colour": "blue"})
        (site.data / "root-credentials").touch(0o600)
        (site.data / "root-credentials").write_text("kept\n")
        said(site.backup(site.archive, "--json"))
        yield site


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A data directory that does not exist yet; no PostgreSQL is left behind."""
    data = tmp_path / "data"
    yield data
    if (data / "postgres" / "data").exists():
        with EmbeddedPostgres(data / "postgres"):
            pass
