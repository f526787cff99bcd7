"""A client never gets bytes that rotted, and whoever runs the server is told of them (D9)."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_s3 import client_of
from tests.fix_server import RunningServer, running_server
from tests.metadata.postgres_processes import eventually

MIB = 1 << 20  # a block
BODY = os.urandom(3 * MIB + 5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path, environment={"S3D_SCRUB_BYTES_PER_SECOND": "0"}) as running:
        yield running


async def store_with_rot_at(server: RunningServer, position: int) -> None:
    s3 = client_of(server)
    assert (await s3.put("/bucket")).status == 200
    assert (await s3.put("/bucket/key", body=BODY)).status == 200
    assert server.data is not None
    digest = hashlib.sha256(BODY).hexdigest()
    with (server.data / "blobs" / digest[:2] / digest).open("r+b") as file:
        file.seek(position)
        file.write(bytes([BODY[position] ^ 1]))


async def test_a_body_ends_before_the_block_that_rotted(server: RunningServer) -> None:
    await store_with_rot_at(server, 2 * MIB + 7)

    with pytest.raises(asyncio.IncompleteReadError) as broken_off:
        await client_of(server).get("/bucket/key")

    assert broken_off.value.partial == BODY[: 2 * MIB]
    log = server.log
    assert log is not None
    eventually(lambda: "body broke off" in log.read_text())


async def test_a_body_whose_first_block_rotted_is_an_error(server: RunningServer) -> None:
    await store_with_rot_at(server, 7)

    answer = await client_of(server).get("/bucket/key")

    assert answer.refusal == (500, "InternalError")
    assert server.log is not None
    assert "blob storage failed" in server.log.read_text()
