import asyncio
import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from server.blobs.errors import DiskFull, FsyncFailed, NodeReadOnly, StorageError
from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.receiving import PIECE_BYTES, ReceivedBlob
from server.blobs.store import BlobStore
from server.blobs.sweep import remove_stale_staging
from tests.blobs.bodies import MIB, BodyOf, OpenStore, digest_of, get, put, random_bytes
from tests.blobs.disk import (
    Disk,
    SimulatedCrash,
    close_like_a_dead_process,
    files_in,
    install,
    open_files,
)

BODY = random_bytes(2 * PIECE_BYTES)
STEPS_OF_A_PUT = [
    *("statvfs", "open", "write", "write", "fsync file"),
    *("rename", "open", "fsync directory"),
]

PUT_IN_A_PROCESS_OF_ITS_OWN = """
import asyncio, sys
from pathlib import Path
from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from tests.blobs.bodies import OpenStore, put, random_bytes

async def main():
    open_layout(Path(sys.argv[1]), ReadOnlyFlag())
    store = BlobStore.open(
        Path(sys.argv[1]), inline_limit=0, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    for _ in range(20):
        await put(store, random_bytes(300_000))
    store.close()

asyncio.run(main())
"""


async def test_publish_gives_a_blob_the_name_of_its_digest(store: BlobStore, root: Path) -> None:
    blob = await put(store, BODY)

    hexadecimal = blob.digest.hex()
    assert blob.digest == digest_of(BODY)
    assert files_in(root) == sorted([root / hexadecimal[:2] / hexadecimal, root / "layout"])
    assert (root / hexadecimal[:2] / hexadecimal).stat().st_mode & 0o777 == 0o600
    assert open_files(root) == []


async def test_publish_repairs_a_copy_that_has_rotted(store: BlobStore) -> None:
    blob = await put(store, BODY)
    store.layout.blob(blob.digest).write_bytes(b"rotten")

    await put(store, BODY)

    assert await get(store, blob) == BODY


async def test_publish_fsyncs_each_directory_once(store: BlobStore, disk: Disk) -> None:
    """Scenario: two equal bodies in one transaction."""
    async with store.receive(BodyOf(BODY)) as one, store.receive(BodyOf(BODY)) as other:
        assert isinstance(one, ReceivedBlob)
        assert isinstance(other, ReceivedBlob)
        disk.steps.clear()
        await store.publish([one, other])

    assert disk.steps == ["rename", "rename", "open", "fsync directory"]
    assert await get(store, one.blob) == BODY


async def test_publish_may_be_called_again_when_the_transaction_is_tried_again(
    store: BlobStore,
) -> None:
    """Scenario: between the two tries the digest was not locked, and the sweep came."""
    async with store.receive(BodyOf(BODY)) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])
        await store.trash([received.blob.digest])
        await store.publish([received])

    assert store.layout.blob(received.blob.digest).exists()
    assert not store.layout.trashed(received.blob.digest).exists()


async def test_publish_again_fails_where_the_file_is_gone(store: BlobStore) -> None:
    async with store.receive(BodyOf(BODY)) as received:
        assert isinstance(received, ReceivedBlob)
        await store.publish([received])
        store.layout.blob(received.blob.digest).unlink()

        with pytest.raises(StorageError, match="are gone"):
            await store.publish([received])


async def test_publish_of_a_body_whose_context_was_left_fails(store: BlobStore, root: Path) -> None:
    async with store.receive(BodyOf(BODY)) as received:
        assert isinstance(received, ReceivedBlob)

    with pytest.raises(StorageError, match="was discarded"):
        await store.publish([received])
    assert files_in(root) == [root / "layout"]


def test_two_processes_may_publish_the_same_blob(root: Path, open_store: OpenStore) -> None:
    store = open_store()

    processes = [
        subprocess.Popen([sys.executable, "-c", PUT_IN_A_PROCESS_OF_ITS_OWN, str(root)])
        for _ in range(2)
    ]

    assert [process.wait() for process in processes] == [0, 0]
    digest = digest_of(random_bytes(300_000))
    assert files_in(root) == sorted([root / "layout", store.layout.blob(digest)])
    assert store.layout.blob(digest).read_bytes() == random_bytes(300_000)


def test_two_nodes_may_make_the_directory_at_once(root: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PUT_IN_A_PROCESS_OF_ITS_OWN, str(root)])
        for _ in range(3)
    ]

    assert [process.wait() for process in processes] == [0, 0, 0]


async def test_a_put_takes_these_steps(store: BlobStore, disk: Disk) -> None:
    """The crash tests below stop before each of them."""
    await put(store, BODY)

    assert disk.steps == STEPS_OF_A_PUT


@pytest.mark.crash
@pytest.mark.parametrize("step", range(1, len(STEPS_OF_A_PUT) + 1))
async def test_a_crash_before_any_step_of_a_put_publishes_all_or_nothing(
    root: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    store = open_store()
    disk = install(monkeypatch)
    disk.crash_before(step)
    with suppress(SimulatedCrash):
        await put(store, BODY)
    close_like_a_dead_process(root)
    disk.heal()

    reopened = open_store()
    await reopened.remove_stale_staging()

    is_renamed = step > STEPS_OF_A_PUT.index("rename") + 1
    blob = reopened.layout.blob(digest_of(BODY))
    assert files_in(root) == sorted([root / "layout"] + [blob] * is_renamed)
    assert [path.read_bytes() for path in files_in(blob.parent)] == [BODY] * is_renamed


@pytest.mark.crash
@pytest.mark.parametrize("step", range(1, len(STEPS_OF_A_PUT) + 1))
async def test_a_put_after_a_crash_before_any_step_is_whole(
    root: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    disk = install(monkeypatch)
    store = open_store()
    disk.crash_before(step)
    with suppress(SimulatedCrash):
        await put(store, BODY)
    close_like_a_dead_process(root)
    disk.heal()

    reopened = open_store()
    blob = await put(reopened, BODY)

    assert await get(reopened, blob) == BODY


@pytest.mark.parametrize(
    ("step", "error", "raised"),
    [
        pytest.param("open", errno.EMFILE, StorageError, id="no file handle"),
        pytest.param("open", errno.ENOSPC, DiskFull, id="no inode"),
        pytest.param("write", errno.ENOSPC, DiskFull, id="no space"),
        pytest.param("write", errno.EDQUOT, DiskFull, id="no quota"),
        pytest.param("write", errno.EIO, StorageError, id="bad disk while writing"),
        pytest.param("rename", errno.EIO, StorageError, id="bad disk while renaming"),
        pytest.param("rename", errno.ENOSPC, DiskFull, id="no space for the name"),
    ],
)
async def test_a_put_on_a_failing_disk_fails_and_leaves_nothing(
    store: BlobStore,
    root: Path,
    disk: Disk,
    read_only: ReadOnlyFlag,
    step: str,
    error: int,
    raised: type[StorageError],
) -> None:
    disk.fail_with(error, at=step)

    with pytest.raises(StorageError) as failure:
        await put(store, BODY)
    assert type(failure.value) is raised
    assert files_in(root) == [root / "layout"]
    assert open_files(root) == []
    assert not read_only.is_set


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
async def test_a_failed_fsync_of_the_file_removes_it_and_turns_the_node_read_only(
    store: BlobStore, root: Path, disk: Disk, read_only: ReadOnlyFlag, error: int
) -> None:
    """Linux marks the pages clean after a failed fsync, so that a second one lies: D6."""
    disk.fail_with(error, at="fsync file")

    with pytest.raises(FsyncFailed):
        await put(store, BODY)
    assert read_only.is_set
    assert files_in(root) == [root / "layout"]


async def test_a_failed_fsync_of_the_directory_unlinks_nothing_that_was_published(
    store: BlobStore, disk: Disk, read_only: ReadOnlyFlag
) -> None:
    disk.fail_with(errno.EIO, at="fsync directory")

    with pytest.raises(FsyncFailed):
        await put(store, BODY)
    assert read_only.is_set
    assert store.layout.blob(digest_of(BODY)).read_bytes() == BODY


async def test_a_staged_file_that_cannot_be_removed_does_not_hide_why_the_put_failed(
    store: BlobStore, disk: Disk
) -> None:
    def fail(step: str) -> None:
        if step in {"unlink", "write"}:
            raise OSError(errno.EIO, step)

    disk.fail = fail

    with pytest.raises(StorageError, match="could not write a body"):
        await put(store, BODY)


async def test_a_read_only_node_publishes_nothing_and_sweeps_nothing(
    store: BlobStore, root: Path, read_only: ReadOnlyFlag
) -> None:
    kept = await put(store, BODY)
    async with store.receive(BodyOf(random_bytes(MIB))) as received:
        assert isinstance(received, ReceivedBlob)
        read_only.set()

        with pytest.raises(NodeReadOnly):
            await store.publish([received])
    with pytest.raises(NodeReadOnly):
        await store.trash([kept.digest])
    with pytest.raises(NodeReadOnly):
        await store.restore([kept.digest])
    with pytest.raises(NodeReadOnly):
        await store.unlink_trashed([kept.digest])
    assert await get(store, kept) == BODY
    assert files_in(root / "staging") == []


async def test_many_puts_at_once_share_two_threads(store: BlobStore, root: Path) -> None:
    bodies = [random_bytes(PIECE_BYTES + number) for number in range(20)]

    blobs = await asyncio.gather(*(put(store, body) for body in bodies))

    assert await asyncio.gather(*(get(store, blob) for blob in blobs)) == bodies
    assert open_files(root) == []


@pytest.mark.parametrize(
    ("length", "reserve", "is_refused"),
    [
        pytest.param(0, 100 * MIB, False, id="just the reserve is left"),
        pytest.param(1, 100 * MIB, True, id="a byte of the reserve would go"),
        pytest.param(36 * MIB, 64 * MIB, False, id="fits exactly"),
        pytest.param(5 << 30, 0, True, id="larger than the disk"),
    ],
)
async def test_reject_when_low_keeps_the_reserve(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    reserve: int,
    is_refused: bool,
) -> None:
    open_layout(root, ReadOnlyFlag())
    store = BlobStore.open(
        root, inline_limit=0, threads=1, read_only=ReadOnlyFlag(), reserve_bytes=reserve
    )
    free = os.statvfs_result((4096, 4096, 0, 0, 100 * MIB // 4096, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: free)

    refusals: Sequence[object] = await asyncio.gather(
        store.reject_when_low(length), return_exceptions=True
    )
    store.close()

    assert isinstance(refusals[0], DiskFull) is is_refused


async def test_reject_when_low_looks_at_the_disk_once_a_second(
    store: BlobStore, disk: Disk
) -> None:
    await store.reject_when_low(1)
    await store.reject_when_low(2)

    assert disk.steps == ["statvfs"]


@pytest.mark.parametrize("inline_limit", [-1, PIECE_BYTES + 1])
def test_open_refuses_an_inline_limit_that_the_event_loop_would_feel(
    root: Path, inline_limit: int
) -> None:
    with pytest.raises(ValueError, match="inline_limit"):
        BlobStore.open(root, inline_limit=inline_limit, threads=1, read_only=ReadOnlyFlag())


async def test_a_staged_file_that_a_sweep_removes_before_it_is_locked_is_made_again(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario: the sweep gets the lock between the writer's open and its flock."""
    removed: list[int] = []

    class Locks:
        LOCK_EX = fcntl.LOCK_EX

        def flock(self, fd: int, operation: int) -> None:
            if not removed:
                removed.append(remove_stale_staging(store.layout))
            fcntl.flock(fd, operation)

    monkeypatch.setattr("server.blobs.staging.fcntl", Locks())

    blob = await put(store, BODY)

    assert removed == [1]
    assert await get(store, blob) == BODY
