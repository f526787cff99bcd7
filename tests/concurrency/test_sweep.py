"""The sweep, without rest and without grace, while the same bytes come and go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata.store import Metadata
from tests.concurrency.bodies import LARGE, number_of, numbered
from tests.fix_s3 import S3Client
from tests.fix_server import RunningServer
from tests.operations.uploads import SentPart, begin

pytestmark = pytest.mark.usefixtures("nothing_breaks", "restless_sweep")

TURNS = 25


@pytest.fixture
async def restless_sweep(server: RunningServer) -> AsyncIterator[None]:
    """Another node of the server, which only sweeps, again and again."""
    assert server.data is not None
    store = BlobStore.open(
        server.data / "blobs", inline_limit=0, threads=2, read_only=ReadOnlyFlag()
    )
    with contextlib.closing(store):
        async with Metadata.opened(
            server.metadata_url, connections=2, timeout_seconds=20
        ) as metadata:
            sweeping = asyncio.create_task(_sweep_on(Sweep(metadata, store, grace_seconds=0)))
            yield
            assert not sweeping.done(), sweeping.exception()
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)


async def _sweep_on(sweep: Sweep) -> None:
    while True:
        await sweep.run()
        await asyncio.sleep(0.001)


async def test_an_upload_of_bytes_that_are_swept_keeps_them(s3: S3Client, bucket: str) -> None:
    async def client(key: str) -> None:
        for turn in range(TURNS):
            body = numbered(turn % 2, LARGE)
            assert (await s3.put(f"/{bucket}/{key}", body=body)).status == 200
            assert (await s3.get(f"/{bucket}/{key}")).body == body
            assert (await s3.delete(f"/{bucket}/{key}")).status == 204

    await asyncio.gather(*(client(key) for key in "abcd"))


async def test_an_overwritten_object_is_always_there_for_its_readers(
    s3: S3Client, bucket: str
) -> None:
    """A reader that found a row whose file was swept looks again, and finds the next version."""
    path = f"/{bucket}/key"
    await s3.put(path, body=numbered(0, LARGE))
    stop = asyncio.Event()

    async def overwrite() -> None:
        for turn in range(4 * TURNS):
            assert (await s3.put(path, body=numbered(turn, LARGE))).status == 200
        stop.set()

    async def read() -> int:
        count = 0
        while not stop.is_set():
            answer = await s3.get(path)
            assert answer.status == 200, answer.body
            number_of(answer.body)
            count += 1
        return count

    _, counts = await asyncio.gather(overwrite(), asyncio.gather(*(read() for _ in range(4))))

    assert min(counts) > 0


async def test_a_copy_keeps_bytes_that_its_source_lets_go(s3: S3Client, bucket: str) -> None:
    async def client(name: str) -> None:
        source, target = f"/{bucket}/{name}-source", f"/{bucket}/{name}-target"
        said = {"x-amz-copy-source": source.lstrip("/")}
        for turn in range(TURNS):
            body = numbered(turn, LARGE)
            await s3.put(source, body=body)
            copied, deleted = await asyncio.gather(
                s3.request("PUT", target, headers=said), s3.delete(source)
            )
            assert deleted.status == 204
            assert copied.refusal in ((200, None), (404, "NoSuchKey")), copied.body
            if copied.status == 200:
                assert (await s3.get(target)).body == body
            await s3.delete(target)

    await asyncio.gather(*(client(name) for name in "abc"))


async def test_parts_of_bytes_that_are_swept_are_kept(s3: S3Client, bucket: str) -> None:
    async def client(key: str) -> None:
        body = numbered(7, LARGE)
        for turn in range(TURNS):
            upload = await begin(s3, bucket, key)
            part = await upload.put(1, body)
            assert part.status == 200
            if turn % 2:
                assert (await upload.abort()).status == 204
                continue
            assert (await upload.complete([SentPart(1, part.etag)])).status == 200
            assert (await s3.get(upload.path)).body == body

    await asyncio.gather(*(client(key) for key in "abc"))


async def test_writers_whose_condition_fails_leave_no_file(s3: S3Client, bucket: str) -> None:
    """Their bytes have their name before the condition is looked at."""
    path = f"/{bucket}/key"
    await s3.put(path, body=b"there")

    answers = await asyncio.gather(
        *(
            s3.put(path, body=numbered(number, LARGE), headers={"If-None-Match": "*"})
            for number in range(10)
        )
    )

    assert [answer.status for answer in answers] == [412] * 10
