import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fix_server import RunningServer, complaints_of, own_database, running_server
from tests.invariants import broken, leftovers_in_the_end


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of two workers that sweeps every second and keeps nothing for later readers."""
    impatient = {"S3D_TRASH_GRACE_SECONDS": "0", "S3D_SWEEP_INTERVAL_SECONDS": "1"}
    directory = tmp_path_factory.mktemp("impatient-server")
    with (
        own_database() as database_url,
        running_server(directory, database_url=database_url, environment=impatient) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, f"{running.log} has:\n" + "\n".join(complaints)


@pytest.fixture
async def nothing_breaks(server: RunningServer) -> AsyncIterator[None]:
    """Look at database and disk after the test: no invariant is broken, nothing is left over."""
    yield
    assert server.data is not None
    blobs = server.data / "blobs"
    left = await leftovers_in_the_end(server.metadata_url, blobs)
    assert await asyncio.to_thread(broken, server.metadata_url, blobs) == []
    assert left == []
