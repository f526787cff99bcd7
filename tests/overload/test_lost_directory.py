"""The disk of the blobs goes away under a running server, and comes back."""

import os
import signal
from pathlib import Path

from tests.fix_s3 import client_of
from tests.fix_server import running_server
from tests.metadata.postgres_processes import eventually
from tests.processes import workers_of

BLOB = os.urandom(300_000)
IS_NOT_THERE = "is no blob directory"


async def test_a_worker_makes_no_directory_in_place_of_one_that_is_gone(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert server.data is not None
        assert server.log is not None
        s3 = client_of(server)
        await s3.put("/bucket")
        await s3.put("/bucket/key", body=BLOB)
        blobs, elsewhere, log = server.data / "blobs", tmp_path / "elsewhere", server.log
        blobs.rename(elsewhere)
        blobs.mkdir()  # where it was mounted
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: IS_NOT_THERE in log.read_text())
        assert list(blobs.iterdir()) == []

        blobs.rmdir()
        elsewhere.rename(blobs)
        eventually(lambda: len(workers_of(server)) == 2)
        answer = await s3.get("/bucket/key")

    assert answer.body == BLOB
