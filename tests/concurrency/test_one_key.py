"""Many clients, one key, two workers: every key is linearizable, and no body is ever torn."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.concurrency.bodies import LARGE, SIZES, SMALL, etag_of, number_of, numbered
from tests.fix_s3 import S3Client

pytestmark = pytest.mark.usefixtures("nothing_breaks")

Workers = Sequence[S3Client]


@dataclass(frozen=True)
class Event:
    """What a client did, from when to when. number: of the body that was written or read."""

    number: int | None  # None: nothing was there
    began: float
    ended: float


async def write(s3: S3Client, path: str, number: int, size: int) -> Event:
    began = time.monotonic()
    answer = await s3.put(path, body=numbered(number, size))
    assert answer.status == 200, answer.body
    return Event(number, began, time.monotonic())


async def read(s3: S3Client, path: str) -> Event:
    began = time.monotonic()
    answer = await s3.get(path)
    number = None
    if answer.status == 200:
        number = number_of(answer.body)
        assert answer.etag == etag_of(answer.body)
    else:
        assert answer.refusal == (404, "NoSuchKey")
    return Event(number, began, time.monotonic())


def impossible(reads: Sequence[Event], writes: Sequence[Event]) -> list[Event]:
    """Return the reads that no order of the writes, each at some moment within itself, explains."""
    written = {write.number: write for write in writes}
    found = []
    for each in reads:
        if each.number is None:
            if any(write.ended < each.began for write in writes):
                found.append(each)
            continue
        source = written[each.number]
        replaced = any(source.ended < write.began and write.ended < each.began for write in writes)
        if source.began > each.ended or replaced:
            found.append(each)
    # Two reads, one after the other, never see the later write first.
    for first in reads:
        for second in reads:
            if first.ended < second.began and None not in (first.number, second.number):
                earlier, later = written[second.number], written[first.number]
                if earlier.ended < later.began:
                    found.append(second)
    return found


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_written_last_is_read_at_once_on_the_other_worker(
    both_workers: Workers, bucket: str, size: int
) -> None:
    path = f"/{bucket}/key"
    found = []
    for number in range(30):
        writer, reader = both_workers[number % 2], both_workers[(number + 1) % 2]
        await write(writer, path, number, size)
        found.append((await read(reader, path)).number)

    assert found == list(range(30))


@pytest.mark.parametrize("size", SIZES)
async def test_reads_and_writes_of_one_key_have_one_order(
    s3: S3Client, bucket: str, size: int
) -> None:
    path = f"/{bucket}/key"

    async def writer(client: int) -> list[Event]:
        return [await write(s3, path, client * 100 + turn, size) for turn in range(12)]

    async def reader() -> list[Event]:
        return [await read(s3, path) for _ in range(30)]

    written, seen = await asyncio.gather(
        asyncio.gather(*(writer(client) for client in range(4))),
        asyncio.gather(*(reader() for _ in range(4))),
    )

    writes = [event for events in written for event in events]
    reads = [event for events in seen for event in events]
    assert impossible(reads, writes) == []
    last = await read(s3, path)
    assert impossible([last], writes) == []


@pytest.mark.parametrize("size", SIZES)
async def test_of_many_who_create_a_key_exactly_one_does(
    both_workers: Workers, s3: S3Client, bucket: str, size: int
) -> None:
    for turn in range(5):
        path = f"/{bucket}/key-{turn}"
        answers = await asyncio.gather(
            *(
                s3.put(path, body=numbered(n, size), headers={"If-None-Match": "*"})
                for n in range(12)
            )
        )

        refusals = [answer.refusal for answer in answers if answer.status != 200]
        assert refusals == [(412, "PreconditionFailed")] * 11
        (winner,) = [n for n, answer in enumerate(answers) if answer.status == 200]
        assert (await read(both_workers[turn % 2], path)).number == winner


@pytest.mark.parametrize("size", [8, LARGE])
async def test_no_increment_is_lost_where_all_use_if_match(
    s3: S3Client, bucket: str, size: int
) -> None:
    path = f"/{bucket}/counter"
    await write(s3, path, 0, size)

    async def increment() -> None:
        while True:
            found = await s3.get(path)
            following = numbered(number_of(found.body) + 1, size)
            said = {"If-Match": f'"{found.etag}"'}
            answer = await s3.put(path, body=following, headers=said)
            if answer.status == 200:
                return
            assert answer.refusal == (412, "PreconditionFailed")

    async def client() -> None:
        for _ in range(5):
            await increment()

    await asyncio.gather(*(client() for _ in range(4)))

    assert (await read(s3, path)).number == 20


async def test_overwrites_that_swap_contents_do_not_deadlock(s3: S3Client, bucket: str) -> None:
    """Each releases the bytes that the other names, in the other order."""
    one, two = numbered(1, LARGE), numbered(2, LARGE)

    async def client(key: str, bodies: tuple[bytes, bytes]) -> None:
        for turn in range(25):
            answer = await s3.put(f"/{bucket}/{key}", body=bodies[turn % 2])
            assert answer.status == 200, answer.body

    await asyncio.gather(
        *(client(key, bodies) for key in "ab" for bodies in ((one, two), (two, one)))
    )

    assert {(await read(s3, f"/{bucket}/{key}")).number for key in "ab"} <= {1, 2}


async def test_who_reads_while_the_key_is_overwritten_gets_one_version_whole(
    s3: S3Client, bucket: str
) -> None:
    """Several blocks of a file each, and readers that are slower than the sweep."""
    size = 6 << 20
    path = f"/{bucket}/key"
    await write(s3, path, 0, size)
    stop = asyncio.Event()

    async def overwrite() -> None:
        number = 1
        while not stop.is_set():
            await write(s3, path, number, size)
            number += 1

    async def slow_reader() -> int:
        async with s3.connected() as wire:
            await wire.send(s3.message("GET", path))
            head = await wire.interim()
            assert head.startswith(b"HTTP/1.1 200")
            body = b""
            while len(body) < size:
                body += await wire.read(1 << 20)
                await asyncio.sleep(0.25)
        return number_of(body)

    overwriting = asyncio.create_task(overwrite())
    numbers = await asyncio.gather(*(slow_reader() for _ in range(6)))
    stop.set()
    await overwriting

    assert len(numbers) == 6


async def test_a_copy_of_a_key_that_is_deleted_and_written_again_is_whole_or_not_there(
    s3: S3Client, bucket: str
) -> None:
    source, target = f"/{bucket}/source", f"/{bucket}/target"
    said = {"x-amz-copy-source": f"{bucket}/source"}
    stop = asyncio.Event()

    async def come_and_go() -> None:
        for number in range(60):
            await write(s3, source, number % 4, LARGE)
            assert (await s3.delete(source)).status == 204
        stop.set()

    async def copy() -> list[int]:
        statuses = []
        while not stop.is_set():
            answer = await s3.request("PUT", target, headers=said)
            statuses.append(answer.status)
            assert answer.refusal in ((200, None), (404, "NoSuchKey")), answer.body
            if answer.status == 200:
                assert (await read(s3, target)).number in range(4)
        return statuses

    _, *statuses = await asyncio.gather(come_and_go(), copy(), copy())

    assert {status for each in statuses for status in each} == {200, 404}


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_deletes_and_writes_of_one_key_leave_it_whole_or_gone(
    s3: S3Client, bucket: str, size: int
) -> None:
    path = f"/{bucket}/key"

    async def client(number: int) -> None:
        for turn in range(15):
            if (number + turn) % 2:
                await write(s3, path, number, size)
            else:
                assert (await s3.delete(path)).status == 204
            await read(s3, path)

    await asyncio.gather(*(client(number) for number in range(6)))

    present = (await read(s3, path)).number is not None
    assert await s3.keys_of(bucket) == (["key"] if present else [])
