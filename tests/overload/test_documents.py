"""Documents are held in memory as a whole: as many as the budget of a worker has room for."""

import asyncio
import hashlib
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, complaints_of, own_database, running_server
from tests.processes import workers_of

BUDGET = 1 << 20
LARGE = 800_000  # one fits into the budget
SMALL = 10_000  # is not counted
AT_ONCE = 60
HUGEST = 8_000_000
# Of the 480 MB that are sent, with what parsing adds to those that are let in.
MOST_GROWTH_MIB = 200


@pytest.fixture(scope="module")
def frugal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of one worker with room for one large document."""
    directory = tmp_path_factory.mktemp("frugal")
    budget = {"S3D_DOCUMENT_MEMORY_BYTES": str(BUDGET)}
    with (
        own_database() as url,
        running_server(directory, workers=1, database_url=url, environment=budget) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def s3(frugal: RunningServer) -> S3Client:
    return client_of(frugal)


@pytest.fixture
async def bucket(s3: S3Client) -> str:
    return await new_bucket(s3)


async def new_bucket(s3: S3Client) -> str:
    name = f"test-{os.urandom(8).hex()}"
    assert (await s3.put(f"/{name}")).status == 200
    return name


def delete_of(s3: S3Client, bucket: str, size: int, *, expect: bool = False) -> bytes:
    """Return a DeleteObjects whose body has that size."""
    beginning, end = b"<Delete><Object><Key>key</Key></Object>", b"</Delete>"
    body = beginning + b" " * (size - len(beginning) - len(end)) + end
    headers = {"Content-MD5": b64encode(hashlib.md5(body).digest()).decode()}
    if expect:
        headers["Expect"] = "100-continue"
    return s3.message("POST", f"/{bucket}?delete", body=body, headers=headers)


@asynccontextmanager
async def a_large_one_under_way(s3: S3Client, bucket: str) -> AsyncIterator[None]:
    message = delete_of(s3, bucket, LARGE, expect=True)
    async with s3.connected() as wire:
        await wire.send(message[:-LARGE])
        # Said once there is room for it, and not before.
        assert await wire.interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(message[-LARGE:-1])
        yield
        await wire.send(message[-1:])
        assert (await wire.answer()).status == 200


async def test_a_document_beyond_the_budget_is_refused_before_it_is_sent(
    s3: S3Client, bucket: str
) -> None:
    message = delete_of(s3, bucket, LARGE, expect=True)
    async with a_large_one_under_way(s3, bucket), s3.connected() as wire:
        await wire.send(message[:-LARGE])

        assert (await wire.answer()).refusal == (503, "SlowDown")


async def test_small_documents_go_on(s3: S3Client, bucket: str) -> None:
    async with a_large_one_under_way(s3, bucket):
        assert (await s3.send(delete_of(s3, bucket, SMALL))).status == 200


async def test_the_budget_is_given_back(s3: S3Client, bucket: str) -> None:
    async with a_large_one_under_way(s3, bucket):
        pass
    async with s3.connected() as wire:
        await wire.send(delete_of(s3, bucket, LARGE)[:-1])
        wire.vanish()

    async with asyncio.timeout(20):
        while (await s3.send(delete_of(s3, bucket, LARGE))).status != 200:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_a_document_larger_than_the_budget_has_its_turn(s3: S3Client, bucket: str) -> None:
    assert (await s3.send(delete_of(s3, bucket, 3 * BUDGET))).status == 200


@pytest.mark.slow
async def test_many_large_documents_at_once_do_not_fill_the_memory(server: RunningServer) -> None:
    """60 at once took 500 MiB; 503s are answers, and clients of S3 try again."""
    s3 = client_of(server)
    bucket = await new_bucket(s3)
    message = delete_of(s3, bucket, HUGEST)
    before = peak_mib(server)

    answers = await asyncio.gather(*(s3.send(message) for _ in range(AT_ONCE)))

    refusals = {answer.refusal for answer in answers}
    assert (200, None) in refusals
    assert refusals <= {(200, None), (503, "SlowDown")}
    assert peak_mib(server) - before < MOST_GROWTH_MIB
    assert (await s3.delete(f"/{bucket}")).status == 204


def peak_mib(server: RunningServer) -> float:
    """Return the most memory that the workers ever held, each at its own time."""
    status = [Path(f"/proc/{worker}/status").read_text() for worker in workers_of(server)]
    return sum(int(text.partition("VmHWM:")[2].split()[0]) for text in status) / 1024
