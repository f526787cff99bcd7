"""A disk whose fsync fails: D6. Linux marks the pages clean, so a second fsync would lie."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from tests.crash.tracing import traced
from tests.fix_s3 import Disk, client_of, each_worker
from tests.fix_server import own_database, running_server
from tests.processes import workers_of

pytestmark = pytest.mark.crash

LARGE = os.urandom(100_000)
BEFORE = {"small": b"small", "large": os.urandom(100_000)}
COPY = {"x-amz-copy-source": "/node/large"}


async def test_after_a_failed_fsync_the_node_reads_and_writes_nothing_until_it_is_restarted(
    strace: Path, tmp_path: Path
) -> None:
    with own_database() as database_url:
        with running_server(tmp_path, database_url=database_url) as server:
            s3 = client_of(server)
            assert (await s3.put("/node")).status == 200
            for key, body in BEFORE.items():
                assert (await s3.put(f"/node/{key}", body=body)).status == 200
            upload = (await s3.post("/node/parts?uploads")).texts("UploadId")[0]

            async with contextlib.AsyncExitStack() as stack:
                for number, worker in enumerate(workers_of(server)):
                    options = ("-f", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1")
                    trace = tmp_path / f"trace-{number}"
                    await stack.enter_async_context(traced(strace, worker, trace, *options))
                failed = await s3.put("/node/failed", body=LARGE)

            assert failed.status == 500
            assert server.data is not None
            assert await Disk(server.data / "blobs").staged_afterwards() == []
            async with each_worker(s3) as clients:
                # Their bodies would be kept in a row: no file of theirs would need the disk.
                refused = [await each.put("/node/new", body=b"small") for each in clients]
            assert [each.refusal for each in refused] == [(503, "ServiceUnavailable")] * 2
            writes = [
                s3.put("/node/failed", body=LARGE),
                s3.put("/node/copy", headers=COPY),
                s3.put(f"/node/parts?partNumber=1&uploadId={upload}", body=b"part"),
                s3.delete("/node/small"),
                s3.delete(f"/node/parts?uploadId={upload}"),
                s3.put("/another"),
            ]
            assert {each.status for each in await asyncio.gather(*writes)} == {503}
            for key, body in BEFORE.items():
                assert (await s3.get(f"/node/{key}")).body == body
            assert await s3.keys_of("node") == sorted(BEFORE)

        with running_server(tmp_path, database_url=database_url) as server:
            s3 = client_of(server)
            assert (await s3.put("/node/failed", body=LARGE)).status == 200
            assert (await s3.get("/node/failed")).body == LARGE
