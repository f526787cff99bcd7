"""A backup beside a node that works, and what keeps it from being finished."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from server.blobs import copying
from server.blobs.archive import Archive
from server.blobs.errors import ArchiveError
from server.blobs.layout import Layout
from server.jobs import retention
from server.jobs.backup import CopiesLost
from server.jobs.snapshot import CREDENTIALS, DESCRIPTION
from server.jobs.sweep import SWEEP, Sweep
from server.jobs.unusable import UNUSABLE
from server.metadata.errors import JobBusy, MetadataUnavailable
from server.metadata.snapshot import TABLES
from server.metadata.store import Metadata
from server.model.names import BlobDigest
from tests.blobs.archives import AT_ONCE
from tests.blobs.bodies import digest_of, random_bytes
from tests.blobs.disk import SimulatedCrash, files_in, install
from tests.jobs.archived import SECONDS, archived, back_up, contents, finished, restore, rot
from tests.jobs.node import Node

ONE, TWO, THREE = random_bytes(10_000), random_bytes(20_000), random_bytes(3 << 20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


async def test_a_second_backup_copies_only_what_is_new(node: Node, root: Path) -> None:
    await node.put("one", ONE)
    await node.put("two", TWO)
    first = await back_up(node, root)
    times = {path: path.stat().st_ctime_ns for path in files_in(root / "blobs")}
    await node.put("three", THREE)

    second = await back_up(node, root)

    assert (first.findings.copied, first.findings.copied_bytes) == (2, 30_000)
    assert (second.findings.copied, second.findings.copied_bytes) == (1, 3 << 20)
    assert {path: path.stat().st_ctime_ns for path in times} == times
    assert finished(root) == [first.name, second.name]
    assert (second.description.blobs, second.description.blob_bytes) == (3, 30_000 + (3 << 20))


async def test_every_snapshot_brings_back_its_own_moment(
    node: Node, root: Path, tmp_path: Path, empty_database_url: str
) -> None:
    await node.put("key", ONE)
    first = await back_up(node, root)
    await node.put("key", TWO)
    await node.sweep()
    await back_up(node, root)

    await restore(root, empty_database_url, tmp_path / "restored", first.name)

    assert not node.at_its_place(ONE).exists()
    assert contents(empty_database_url, tmp_path / "restored") == {"key": ONE}


def swept(node: Node) -> bool:
    """Do what a worker of another node does at its interval; return whether it was alone."""

    async def sweep() -> bool:
        async with (
            Metadata.opened(node.url, connections=1, timeout_seconds=SECONDS) as metadata,
            metadata.alone(SWEEP) as lock,
        ):
            if lock is not None:
                await Sweep(metadata, node.blobs, grace_seconds=0).run(before_step=lock.check)
            return lock is not None

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, sweep()).result()


def delete_everything(node: Node) -> None:
    with psycopg.connect(node.url) as conn:
        conn.execute("DELETE FROM object_version")


async def test_blobs_that_lose_their_last_name_meanwhile_are_copied_all_the_same(
    node: Node, root: Path, tmp_path: Path, empty_database_url: str
) -> None:
    """A sweep would take them away at once, and finds its lock held."""
    await node.put("one", ONE)
    await node.put("three", THREE)
    was_alone: list[bool] = []

    def delete_and_sweep() -> None:
        delete_everything(node)
        was_alone.append(swept(node))

    await back_up(node, root, meanwhile=delete_and_sweep)
    was_alone.append(swept(node))

    assert was_alone == [False, True]
    assert node.leftovers() == []
    await restore(root, empty_database_url, tmp_path / "restored")
    restored = contents(empty_database_url, tmp_path / "restored")
    assert restored == {"one": ONE, "three": THREE}


async def test_a_blob_that_a_crashed_sweep_left_in_the_trash_is_copied(
    node: Node, root: Path
) -> None:
    await node.put("one", ONE)
    await node.blobs.trash([digest_of(ONE)])

    await back_up(node, root)

    assert archived(root, ONE).read_bytes() == ONE


async def test_a_blob_that_waits_in_the_trash_is_not_copied(node: Node, root: Path) -> None:
    await node.put("one", ONE)
    await node.delete("one")
    await node.sweep(grace_seconds=3600)

    done = await back_up(node, root)

    assert done.description.blobs == 0
    assert not archived(root, ONE).exists()


async def test_a_rotten_copy_is_found_and_made_anew_when_everything_is_read(
    node: Node, root: Path
) -> None:
    await node.put("one", ONE)
    await back_up(node, root)
    rot(archived(root, ONE))

    unread = await back_up(node, root)
    still_rotten = archived(root, ONE).read_bytes() != ONE
    read = await back_up(node, root, read_data=True)

    assert still_rotten
    assert (unread.findings.copied, read.findings.copied) == (0, 1)
    assert archived(root, ONE).read_bytes() == ONE


async def test_a_copy_that_goes_meanwhile_is_missed_at_the_end(
    node: Node, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("one", ONE)
    original = copying.publish_copy

    def publish_and_unlink(target: Layout, digest: BlobDigest, size: int) -> None:
        original(target, digest, size)
        target.blob(digest).unlink()

    monkeypatch.setattr("server.blobs.copying.publish_copy", publish_and_unlink)

    with pytest.raises(CopiesLost, match="gone meanwhile: 1"):
        await back_up(node, root)

    assert finished(root) == []


async def test_rows_that_the_disk_gives_back_otherwise_are_no_backup(
    node: Node, root: Path
) -> None:
    await node.put("one", ONE)

    def lose_a_row() -> None:
        [file] = root.glob("snapshots/*.unfinished/object_version.rows")
        file.write_bytes(b"")

    with pytest.raises(ArchiveError, match=r"object_version\.rows holds other rows"):
        await back_up(node, root, meanwhile=lose_a_row)

    assert finished(root) == []


def end_all_sessions(node: Node) -> None:
    with psycopg.connect(node.url) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_backup_that_lost_its_lock_stops_copying(node: Node, root: Path) -> None:
    """A sweep may take away the blobs that it has not copied yet."""
    await node.put("one", ONE)

    with pytest.raises(MetadataUnavailable, match="lock of the sweep was lost"):
        await back_up(node, root, meanwhile=lambda: end_all_sessions(node))

    assert finished(root) == []
    assert not archived(root, ONE).exists()


async def test_a_backup_that_lost_its_lock_at_the_end_is_none(node: Node, root: Path) -> None:
    """There is nothing to copy here before which it would have looked."""
    with pytest.raises(MetadataUnavailable, match="lock of the sweep was lost"):
        await back_up(node, root, meanwhile=lambda: end_all_sessions(node))

    assert finished(root) == []


async def test_a_snapshot_gets_its_name_when_all_that_it_names_is_durable(
    node: Node, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("one", ONE)
    await node.put("two", TWO)
    credentials = tmp_path / "root-credentials"
    credentials.write_text("kept")
    durable: list[Path] = []
    disk = install(monkeypatch)

    def look(step: str) -> None:
        if step == "rename":
            durable[:] = disk.fsynced

    disk.fail = look
    done = await back_up(node, root, credentials=credentials)

    names = {path.name for path in files_in(root / "snapshots")}
    assert {*(f"{table}.rows" for table in TABLES), DESCRIPTION, CREDENTIALS, UNUSABLE} == names
    unfinished = root / "snapshots" / f"{done.name}.unfinished"
    shards = {archived(root, body).parent for body in (ONE, TWO)}
    assert {unfinished, *(unfinished / name for name in names)} <= set(durable)
    # When it was made, before the first copy, and after the last one.
    assert [durable.count(shard) for shard in shards] == [3, 3]
    assert disk.steps[-3:] == ["rename", "open", "fsync directory"]
    assert disk.fsynced[-1] == root / "snapshots"


async def test_a_copy_that_a_killed_backup_left_is_made_durable(
    node: Node, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been killed between the rename and the fsync of the directory."""
    await node.put("one", ONE)
    await back_up(node, root)
    disk = install(monkeypatch)

    done = await back_up(node, root)

    assert done.findings.copied == 0
    assert archived(root, ONE).parent in disk.fsynced


async def test_a_copy_that_a_killed_backup_did_not_read_back_is_made_anew(
    node: Node, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the disk it may be rotten, and the next backup looks at sizes alone."""
    await node.put("one", ONE)

    def die(*_: int) -> None:
        raise SimulatedCrash

    with monkeypatch.context() as killed:
        killed.setattr("server.blobs.copying.os.posix_fadvise", die)
        with pytest.raises(SimulatedCrash):
            await back_up(node, root)
    done = await back_up(node, root)

    assert done.findings.copied == 1
    assert files_in(root / "blobs" / "staging") == []


async def test_a_sweep_at_work_is_waited_for_within_the_limit(node: Node, root: Path) -> None:
    async with node.metadata.alone(SWEEP):
        with pytest.raises(JobBusy, match="a sweep is at work"):
            await back_up(node, root, wait_seconds=0.2)

    await back_up(node, root)
    assert len(finished(root)) == 1


async def test_two_backups_of_one_second_have_two_names(node: Node, root: Path) -> None:
    names = [(await back_up(node, root)).name for _ in range(2)]

    assert finished(root) == names
    assert len(set(names)) == 2


async def test_a_snapshot_of_the_future_is_refused_before_a_byte_is_copied(
    node: Node, root: Path
) -> None:
    """The clock was ahead once: --keep would remove the new one, which is older by its name."""
    await node.put("one", ONE)
    name = (await back_up(node, root)).name
    future = root / "snapshots" / "99991231T235959Z"
    (root / "snapshots" / name).rename(future)
    await node.put("two", TWO)

    with pytest.raises(ArchiveError, match=f"{future} is of the future"):
        await back_up(node, root)

    assert finished(root) == [future.name]
    assert not archived(root, TWO).exists()


async def test_the_last_snapshots_are_kept_with_their_blobs_and_nothing_else(
    node: Node, root: Path, tmp_path: Path, empty_database_url: str
) -> None:
    bodies = [random_bytes(11_000 + number) for number in range(5)]
    for body in bodies:
        await node.put("key", body)
        await node.put("always", ONE)
        await node.sweep()
        await back_up(node, root)

    with Archive.to_write(root, AT_ONCE) as archive:
        removed = retention.keep_last(archive, 2, AT_ONCE)
        nothing = retention.keep_last(archive, 2, AT_ONCE)

    assert (removed, nothing) == ((3, 3), (0, 0))
    kept = {digest_of(body).hex() for body in (*bodies[3:], ONE)}
    assert {path.name for path in files_in(root / "blobs")} == kept | {"layout"}
    await restore(root, empty_database_url, tmp_path / "restored", finished(root)[0])
    restored = contents(empty_database_url, tmp_path / "restored")
    assert restored == {"key": bodies[3], "always": ONE}


async def test_nothing_is_removed_where_a_list_of_blobs_is_rotten(node: Node, root: Path) -> None:
    await node.put("one", ONE)
    await back_up(node, root)
    await node.delete("one")
    last = (await back_up(node, root)).name
    await back_up(node, root)
    (root / "snapshots" / last / "blob.rows").write_bytes(b"x\n")

    with (
        Archive.to_write(root, AT_ONCE) as archive,
        pytest.raises(ArchiveError, match="other rows"),
    ):
        retention.keep_last(archive, 2, AT_ONCE)

    assert len(finished(root)) == 3
    assert archived(root, ONE).exists()
