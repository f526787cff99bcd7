"""A disk that is full: 503, nothing lost, nothing left, and service again when space returns."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fix_s3 import Disk, S3Client, client_of
from tests.fix_server import complaints_of, running_server
from tests.invariants import broken
from tests.overload.conftest import SmallDisk
from tests.wire import Answer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

BLOB = 1 << 20
INLINE = 8000
UNAVAILABLE = (503, "ServiceUnavailable")
BACK_SECONDS = 60


def fill(disk: Path, *, but: int) -> Path:
    """Fill the disk with a file, but for so many bytes; return the file."""
    status = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - but)
    return filler


async def put_until_refused(
    s3: S3Client, size: int, *, at_most: int
) -> tuple[dict[str, bytes], Answer]:
    """Return what was acknowledged, and the first answer that was something else."""
    kept: dict[str, bytes] = {}
    for number in range(at_most):
        key, body = f"/bucket/{size}-{number}", os.urandom(size)
        answer = await s3.put(key, body=body)
        if answer.status != 200:
            return kept, answer
        kept[key] = body
    pytest.fail("the disk was never full")


async def until(attempt: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(BACK_SECONDS):
        while not await attempt():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("reserve", ["0", str(8 << 20)], ids=["to the last byte", "a reserve"])
async def test_uploads_are_refused_while_the_disk_of_the_blobs_is_full(
    tmp_path: Path, small_disk: SmallDisk, reserve: str
) -> None:
    """With a reserve of nothing the disk itself says that it is full."""
    blobs = tmp_path / "data" / "blobs"
    small_disk(blobs, 64)
    (blobs / "lost+found").rmdir()
    with running_server(tmp_path, environment={"S3D_DISK_RESERVE_BYTES": reserve}) as running:
        s3 = client_of(running)
        assert (await s3.put("/bucket")).status == 200
        staged = blobs / "staging"
        filler = fill(staged, but=20 << 20)

        kept, refused = await put_until_refused(s3, BLOB, at_most=100)
        await until(lambda: all_refused(s3))

        assert kept
        assert refused.refusal == UNAVAILABLE
        assert await staged_afterwards(blobs) == [filler.name]
        assert all([(await s3.get(key)).body == body for key, body in kept.items()])
        # Small bodies, and deletes, are rows: on another disk.
        assert (await s3.put("/bucket/small", body=b"small")).status == 200
        assert (await s3.delete(next(iter(kept)))).status == 204

        filler.unlink()

        async def served() -> bool:  # free space is looked at once a second
            return (await s3.put("/bucket/again", body=os.urandom(BLOB))).status == 200

        await until(served)
        assert broken(running.metadata_url, blobs) == []
        assert complaints_of(running) == []


async def all_refused(s3: S3Client) -> bool:
    """Return whether none of several uploads at once is taken; workers look once a second."""
    answers = await asyncio.gather(*(s3.put("/bucket/more", body=bytes(BLOB)) for _ in range(8)))
    return {answer.refusal for answer in answers} == {UNAVAILABLE}


async def staged_afterwards(blobs: Path) -> list[str]:
    """Return the names in staging/ once the uploads have left it, or after ten seconds."""
    for _ in range(100):
        if len(left := Disk(blobs).staged()) == 1:
            return left
        await asyncio.sleep(0.1)
    return Disk(blobs).staged()


async def test_writes_are_refused_while_the_disk_of_postgresql_is_full(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    """PostgreSQL gives up where its log finds no room; it is started until it stays up."""
    postgres = tmp_path / "data" / "postgres"
    small_disk(postgres, 192)
    with running_server(tmp_path) as running:
        s3 = client_of(running)
        assert (await s3.put("/bucket")).status == 200
        filler = fill(postgres, but=8 << 20)

        kept, refused = await put_until_refused(s3, INLINE, at_most=20_000)
        more = [await s3.put("/bucket/more", body=os.urandom(INLINE)) for _ in range(10)]

        assert refused.refusal == UNAVAILABLE
        assert {answer.refusal for answer in more} <= {UNAVAILABLE, (200, None)}

        filler.unlink()

        async def served() -> bool:
            return (await s3.put("/bucket/again", body=b"again")).status == 200

        await until(served)
        assert all([(await s3.get(key)).body == body for key, body in kept.items()])
        assert broken(running.metadata_url, tmp_path / "data" / "blobs") == []
        assert complaints_of(running) == []
