"""Many large bodies at once: memory depends on how many there are, never on how large they are."""

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, running_server

pytestmark = pytest.mark.slow

AT_ONCE = 64
MIB = 1 << 20
# S3D_TEST_LARGE_MIB=256 is the promise to the letter; it takes 40 GiB of disk and minutes.
SIZE = int(os.environ.get("S3D_TEST_LARGE_MIB", "16")) * MIB
MOST_MIB = 600
SLOW_READERS = 8
SLOW_SECONDS = 0.2
GIVE_UP_SECONDS = 1800


@dataclass
class Watch:
    """The most memory that the Python processes of a server held together, in MiB."""

    peak: float = 0.0


def held_mib(server: RunningServer) -> float:
    """Return what the Python processes of the server hold; pages that they share count once."""
    assert server.process is not None
    total = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # processes end while they are counted
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            if session == server.process.pid and "python" in os.readlink(entry / "exe"):
                total += int((entry / "smaps_rollup").read_text().partition("Pss:")[2].split()[0])
    return total / 1024


@contextlib.contextmanager
def watched(server: RunningServer) -> Iterator[Watch]:
    """Look at the memory of the server, five times a second, until the block ends."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            watch.peak = max(watch.peak, held_mib(server))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


async def upload(s3: S3Client, number: int, block: bytes) -> int:
    """Send a body that no other upload has; return the status."""
    head = s3.message("PUT", f"/bucket/{number}", headers={"Content-Length": str(SIZE)})
    async with s3.connected() as wire:
        await wire.send(head + number.to_bytes(8, "big") + block[8:])
        for _ in range(SIZE // MIB - 1):
            await wire.send(block)
        return (await wire.answer(seconds=GIVE_UP_SECONDS)).status


async def download(s3: S3Client, pause_seconds: float) -> int:
    """Return how many bytes came; the reader pauses after each MiB."""
    received = 0
    async with s3.connected() as wire:
        await wire.send(s3.message("GET", "/bucket/0"))
        assert (await wire.interim()).startswith(b"HTTP/1.1 200 ")
        while received < SIZE:
            received += len(await wire.read(MIB))
            await asyncio.sleep(pause_seconds)
    return received


async def test_64_uploads_and_64_downloads_at_once_fit_into_600_mib(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 2 * AT_ONCE * SIZE:
        pytest.skip("NOT RUN: there is too little space on the disk")
    block = os.urandom(MIB)
    with running_server(tmp_path) as running:
        s3 = client_of(running).signing("header", "unsigned")
        assert (await s3.put("/bucket")).status == 200
        assert await upload(s3, 0, block) == 200

        uploads = [upload(s3, number, block) for number in range(1, AT_ONCE + 1)]
        slow = [download(s3, SLOW_SECONDS) for _ in range(SLOW_READERS)]
        downloads = [download(s3, 0) for _ in range(AT_ONCE - SLOW_READERS)]
        with watched(running) as watch:
            answers = await asyncio.gather(*uploads, *slow, *downloads)

    print(f"{SIZE // MIB} MiB each: at most {watch.peak:.0f} MiB held")  # noqa: T201 - a figure
    assert answers == [200] * AT_ONCE + [SIZE] * AT_ONCE
    assert 0 < watch.peak < MOST_MIB
