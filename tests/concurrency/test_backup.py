"""Backups of a server that writes and sweeps without rest; what comes back is one moment."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.commands import database, run
from tests.concurrency.bodies import LARGE, SMALL, number_of, numbered
from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, own_database, running_server
from tests.invariants import broken
from tests.operations.uploads import SentPart, Upload, begin

pytestmark = [pytest.mark.usefixtures("nothing_breaks"), pytest.mark.slow]

KEYS = 8
WRITERS = "uvw"
BACKUPS = 3
# To copy them takes the first backup longer than a sweep takes to come.
AT_REST, AT_REST_BYTES = 500, 100_000


class Ledger:
    """What one writer did: a number a turn, into the keys one after the other."""

    def __init__(self) -> None:
        self.begun = 0  # the number of the turn that is under way, or was the last

    def size(self, number: int) -> int:
        return LARGE if number % 3 else SMALL

    def is_deletion(self, number: int) -> bool:
        return number % 5 == 0

    def state_after(self, number: int) -> dict[int, int]:
        """Return which number each key holds after that turn: of the last turn that it had."""
        last_of_each = range(max(1, number - KEYS + 1), number + 1)
        return {turn % KEYS: turn for turn in last_of_each if not self.is_deletion(turn)}


async def write_on(s3: S3Client, bucket: str, name: str, ledger: Ledger) -> None:
    while True:
        ledger.begun += 1
        number = ledger.begun
        path = f"/{bucket}/{name}-{number % KEYS}"
        if ledger.is_deletion(number):
            answer = await s3.delete(path)
        else:
            answer = await s3.put(path, body=numbered(number, ledger.size(number)))
        assert answer.status in (200, 204), answer.body


@asynccontextmanager
async def writers(s3: S3Client, bucket: str) -> AsyncIterator[dict[str, Ledger]]:
    """Write without rest until the block ends."""
    ledgers = {name: Ledger() for name in WRITERS}
    tasks = [asyncio.create_task(write_on(s3, bucket, *each)) for each in ledgers.items()]
    try:
        yield ledgers
        assert not [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def put_what_stays(s3: S3Client, bucket: str) -> None:
    async def put(first: int) -> None:
        for number in range(first, AT_REST, 8):
            body = numbered(10_000_000 + number, AT_REST_BYTES)
            assert (await s3.put(f"/{bucket}/stays-{number}", body=body)).status == 200

    await asyncio.gather(*(put(first) for first in range(8)))


async def s3d(*arguments: str | Path, url: str | None) -> dict[str, Any]:
    done = await asyncio.to_thread(run, *arguments, "--json", environment=database(url))
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


async def held_by(s3: S3Client, bucket: str, name: str) -> dict[int, int]:
    """Return which number each key of a writer holds."""
    held = {}
    for key in range(KEYS):
        answer = await s3.get(f"/{bucket}/{name}-{key}")
        assert answer.status in (200, 404), answer.body
        if answer.status == 200:
            held[key] = number_of(answer.body)
    return held


async def test_what_comes_back_is_what_every_key_held_at_one_moment(
    server: RunningServer, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    assert server.data is not None
    archive, restored = tmp_path / "archive", tmp_path / "restored"
    upload = await begin(s3, bucket, "in-progress")
    part = await upload.put(1, numbered(1, LARGE))
    await put_what_stays(s3, bucket)
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    async with writers(s3, bucket) as ledgers:
        for _ in range(BACKUPS):
            await asyncio.sleep(1)
            before = {name: ledger.begun for name, ledger in ledgers.items()}
            await s3d("backup", archive, "--data", server.data, url=server.database_url)
            after = {name: ledger.begun for name, ledger in ledgers.items()}
    await upload.abort()

    restored.mkdir()
    with own_database() as url:
        await s3d("restore", archive, "--data", restored / "data", url=url)
        with running_server(restored, database_url=url) as twin:
            client = client_of(twin)
            for name, ledger in ledgers.items():
                moments = range(before[name] - 1, after[name] + 1)
                held = await held_by(client, bucket, name)
                assert held in [ledger.state_after(number) for number in moments]
            assert broken(twin.metadata_url, restored / "data" / "blobs") == []
            there = Upload(client, upload.path, upload.id)
            assert (await there.complete([SentPart(1, part.etag)])).status == 200
            assert number_of((await client.get(upload.path)).body) == 1
