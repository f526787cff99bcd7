"""s3d check beside a busy server: what is under way is not broken."""

import asyncio
import contextlib
import time

import pytest

from server.blobs.layout import existing_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.check import Check
from server.metadata.store import Metadata
from server.model.invariant import Finding
from tests.concurrency.bodies import LARGE, SMALL, numbered
from tests.fix_s3 import S3Client
from tests.fix_server import RunningServer
from tests.operations.uploads import SentPart, begin

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_breaks")]

TURNS = 25


async def come_and_go(s3: S3Client, bucket: str, name: str) -> None:
    """Overwrite, copy and delete objects of few different bodies; complete and abort uploads."""
    path = f"/{bucket}/{name}"
    for turn in range(TURNS):
        body = numbered(turn % 3, LARGE)
        assert (await s3.put(path, body=body)).status == 200
        assert (await s3.put(f"{path}-small", body=numbered(turn, SMALL))).status == 200
        await s3.put(f"{path}-copy", headers={"x-amz-copy-source": path.lstrip("/")})
        upload = await begin(s3, bucket, f"{name}-parts")
        part = await upload.put(1, body)
        if turn % 2:
            await upload.abort()
        else:
            assert (await upload.complete([SentPart(1, part.etag)])).status == 200
        for suffix in ("", "-small", "-copy", "-parts")[turn % 4 :]:
            assert (await s3.delete(f"{path}{suffix}")).status == 204


async def test_a_check_finds_nothing_broken_under_load(
    server: RunningServer, s3: S3Client, bucket: str
) -> None:
    assert server.data is not None
    found: list[Finding] = []
    checks = 0
    store = BlobStore(
        existing_layout(server.data / "blobs"),
        inline_limit=0,
        threads=2,
        read_only=ReadOnlyFlag(),
        reserve_bytes=0,
    )
    with contextlib.closing(store):
        async with Metadata.opened(
            server.metadata_url, connections=2, timeout_seconds=20
        ) as metadata:
            clients = asyncio.gather(*(come_and_go(s3, bucket, name) for name in "abcd"))
            while not clients.done():
                check = Check(
                    metadata,
                    store,
                    found=found.append,
                    progress=lambda what, done, total: None,
                    now=time.time(),
                    grace_seconds=0,
                )
                await check.run(read_data=True)
                checks += 1
            await clients

    assert found == []
    assert checks > 1
