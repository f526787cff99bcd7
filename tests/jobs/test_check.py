"""Every invariant is broken on purpose, and named by the check: the proof that a check can fail."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from server.blobs.errors import StorageError
from server.blobs.inspection import FoundFile
from server.jobs.sweep import SWEEP, Sweep
from server.metadata import checks
from server.metadata.connection import Connection
from server.metadata.store import Metadata
from server.model.invariant import Invariant
from server.model.names import BlobDigest
from tests.blobs.bodies import BodyOf, digest_of
from tests.jobs.damage import (
    ANOTHER,
    BY_LARGE,
    CASES,
    INDEX,
    Case,
    an_empty_shard,
    publish_an_orphan,
    trash_an_orphan,
)
from tests.jobs.node import Node
from tests.jobs.world import (
    FIRST,
    LARGE,
    ORPHAN,
    PENDING,
    SECOND,
    SMALL,
    TRASHED,
    World,
    fill,
    flip_a_bit,
)


@pytest.fixture
async def world(node: Node, conn: Connection) -> World:
    await fill(node)
    return World(node, conn)


def test_every_invariant_is_broken_by_a_case() -> None:
    """All but three: PostgreSQL itself is broken in tests/cli/test_check.py, the disk below."""
    broken = {case.invariant for case in CASES.values()}
    elsewhere = {Invariant.UnreadableRows, Invariant.CommitsMayBeLost, Invariant.UnreadableFiles}

    assert broken == set(Invariant) - elsewhere


@pytest.mark.parametrize("read_data", [False, True], ids=["rows and names", "every byte"])
async def test_a_healthy_node_breaks_nothing(world: World, read_data: bool) -> None:
    assert await world.check(read_data=read_data) == []
    assert world.node.broken() == []


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_is_broken_is_named(world: World, case: Case) -> None:
    await case.break_it(world)

    found = await world.check(read_data=case.read_data, days_later=case.days_later)

    assert {finding.invariant for finding in found} == {case.invariant}, found
    judged = {said.partition(":")[0] for said in world.node.broken()}
    assert judged == ({case.judge} if case.judge else set())


async def test_a_finding_says_what_and_where(world: World) -> None:
    flip_a_bit(world.file(LARGE))
    await world.sql("UPDATE object_version SET body = set_byte(body, 3, 7) WHERE key = 'small'")

    blob, row = await world.check(read_data=True)

    assert (blob.subject, blob.detail) == (
        digest_of(LARGE).hex(),
        "the CRC64NVME of block 1 is another",
    )
    assert (row.subject, row.detail) == ("bucket/small", "its CRC32 is another")


async def test_who_reads_a_blob_does_not_believe_an_older_note(world: World) -> None:
    """A client has written it again since the scrub found it rotten."""
    await world.sql(f"UPDATE blob SET rotten = now() {BY_LARGE}", large=digest_of(LARGE))

    assert await world.check(read_data=True) == []


async def test_the_check_counts_what_it_looked_at(world: World) -> None:
    await world.check(read_data=True)

    looked = world.looked
    living = [LARGE, FIRST, SECOND, PENDING]
    assert (looked.buckets, looked.objects, looked.uploads) == (1, 4, 1)
    assert (looked.blobs, looked.bodies_read) == (len(living) + 1, 1)
    assert looked.blob_bytes == sum(map(len, [*living, TRASHED]))
    assert looked.bytes_read == sum(map(len, [*living, SMALL]))


async def test_blobs_are_gone_through_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.check._PAGE", 2)

    assert await world.check(read_data=True) == []
    assert world.looked.blobs == 5


async def test_an_index_is_counted_by_itself(world: World) -> None:
    """A count that another index could answer would say nothing about this one."""
    plans = {}
    async with world.conn.transaction():
        await world.conn.execute("SET LOCAL enable_seqscan = off")
        for name, count in checks.INDEXES.items():
            plan = await world.conn.execute(b"EXPLAIN (FORMAT JSON) " + count.encode())
            plans[name] = str(await plan.fetchall())

    assert [name for name, plan in plans.items() if f"'Index Name': '{name}'" not in plan] == []


async def test_an_index_is_looked_at_whatever_the_planner_prefers(world: World) -> None:
    """Of a small table it would read the table, and find that equal to itself."""
    await world.conn.execute("ANALYZE")
    await CASES["an index misses a row"].break_it(world)

    [finding] = await world.check()

    assert (finding.subject, finding.detail) == ("object_version_digest", "it knows 1 of 2 rows")


async def test_two_current_versions_are_found_without_the_index_that_forbids_them(
    world: World,
) -> None:
    await world.sql(
        INDEX.format("indisready = false", "object_version_current"),
        ANOTHER.format("key", "'small'"),
        INDEX.format("indisready = true", "object_version_current"),
    )
    await world.conn.execute("SET enable_seqscan = off")

    async with world.conn.transaction():
        found = [each async for each in checks.cases(world.conn, Invariant.TwoCurrentVersions)]

    assert [(each.subject, each.detail) for each in found] == [("bucket/small", "2 of them")]


async def test_a_young_orphan_may_belong_to_a_request(world: World) -> None:
    await publish_an_orphan(world)
    await trash_an_orphan(world)

    assert await world.check(days_later=0.9) == []


async def test_what_the_sweep_could_not_look_at_beside_a_backup_is_not_broken(
    world: World, elsewhere: Metadata
) -> None:
    """One that takes longer than a day."""
    await publish_an_orphan(world)
    await CASES["a release is two days old"].break_it(world)

    async with elsewhere.alone("another job"):
        beside_another = await world.check(days_later=1.1)
    async with elsewhere.alone(SWEEP):
        beside_a_backup = await world.check(days_later=1.1)

    assert {finding.invariant for finding in beside_another} == {
        Invariant.ReleasedAndForgotten,
        Invariant.FileWithoutRow,
    }
    assert beside_a_backup == []


async def test_what_the_trash_keeps_for_its_grace_is_no_orphan(world: World) -> None:
    await trash_an_orphan(world)

    assert await world.check(days_later=1.01) == []


async def test_a_blob_that_is_swept_between_row_and_file_is_not_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_files = world.node.blobs.find_files

    async def find_late(digests: list[bytes]) -> object:
        monkeypatch.undo()
        await world.node.delete("large")
        await world.node.sweep()
        return await find_files(digests)

    monkeypatch.setattr(world.node.blobs, "find_files", find_late)

    assert await world.check() == []


async def test_a_suspect_cannot_be_swept_while_it_is_looked_at_again(
    world: World, elsewhere: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_files = world.node.blobs.find_files
    looks = []

    async def find_at_a_bad_moment(digests: list[BlobDigest]) -> list[FoundFile | None]:
        looks.append(digests)
        if len(looks) == 1:  # between two places, it seems
            return [None] * len(digests)
        monkeypatch.undo()  # the sweep looks at files, too
        await world.node.delete("large")
        await Sweep(elsewhere, world.node.blobs, grace_seconds=0).run()
        return await find_files(digests)

    monkeypatch.setattr(world.node.blobs, "find_files", find_at_a_bad_moment)

    assert await world.check() == []
    assert len(looks) == 2


async def test_a_blob_that_is_swept_before_it_is_read_is_not_rotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_whole = world.node.blobs.read_whole

    async def read_late(*arguments: object) -> object:
        monkeypatch.undo()
        await world.node.delete("large")
        await world.node.sweep()
        return await read_whole(*arguments)

    monkeypatch.setattr(world.node.blobs, "read_whole", read_late)

    assert await world.check(read_data=True) == []


async def test_an_old_orphan_that_gets_its_row_meanwhile_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload of the same bytes replaces the file, which is new then."""
    await publish_an_orphan(world)
    find_files = world.node.blobs.find_files

    async def put_before(digests: list[bytes]) -> object:
        if digest_of(ORPHAN) in digests:
            world.file(ORPHAN).unlink()
        return await find_files(digests)

    monkeypatch.setattr(world.node.blobs, "find_files", put_before)

    assert await world.check(days_later=1.1) == []


async def test_the_staged_file_of_a_living_writer_is_its_own(world: World) -> None:
    async with world.node.blobs.receive(BodyOf(ORPHAN)):
        assert os.listdir(world.node.blobs.layout.staging) != []
        assert await world.check() == []


async def test_a_staged_file_that_is_locked_a_moment_later_is_its_writers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = world.node.blobs.layout.staging / "abcd"
    look_again = world.node.blobs.still_unlocked
    with staged.open("wb") as opened:

        async def lock_it_first(paths: list[Path]) -> list[Path]:
            fcntl.flock(opened, fcntl.LOCK_EX)
            return await look_again(paths)

        monkeypatch.setattr(world.node.blobs, "still_unlocked", lock_it_first)

        assert await world.check() == []


async def test_what_is_no_file_is_no_blob(world: World) -> None:
    """Readers refuse to follow a link: a blob directory may be writable for others by mistake."""
    world.file(FIRST).unlink()
    world.file(FIRST).symlink_to("/dev/zero")

    found = await world.check(read_data=True)

    assert {finding.invariant for finding in found} == {
        Invariant.BlobWithoutFile,
        Invariant.ForeignFile,
    }


@pytest.mark.parametrize("call", ["open", "lstat"])
async def test_a_file_that_the_system_refuses_is_named_and_the_others_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    world.file(FIRST).unlink()
    refused, original = str(world.file(LARGE)), getattr(os, call)

    def refuse(path: Any, *arguments: Any, **more: Any) -> Any:
        if str(path) == refused:
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments, **more)

    monkeypatch.setattr(f"server.blobs.inspection.os.{call}", refuse)

    found = await world.check(read_data=True)

    assert {(each.invariant, each.subject) for each in found} == {
        (Invariant.RottenBlob, digest_of(LARGE).hex()),
        (Invariant.BlobWithoutFile, digest_of(FIRST).hex()),
    }
    assert any("Permission denied" in each.detail for each in found)


@pytest.mark.parametrize("name", ["", "trash", "staging", "ab"])
async def test_a_directory_that_cannot_be_read_is_named_and_the_others_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout = world.node.blobs.layout
    flip_a_bit(world.file(LARGE))
    (layout.root / "ff" / "notes.txt").touch()
    unreadable, scandir = layout.root / name, os.scandir

    def fail(path: Any) -> Any:
        if path == unreadable:
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr("server.blobs.sweep.os.scandir", fail)

    found = await world.check(read_data=True)

    assert {(each.invariant, each.subject) for each in found} == {
        (Invariant.RottenBlob, digest_of(LARGE).hex()),
        (Invariant.UnreadableFiles, str(unreadable)),
        (Invariant.ForeignFile, str(layout.root / "ff" / "notes.txt")),
    }
    assert any("Input/output error" in each.detail for each in found)


async def test_a_directory_that_is_missing_keeps_nobody_from_the_others(world: World) -> None:
    root = world.node.blobs.layout.root
    an_empty_shard(world).rmdir()
    (root / "notes.txt").touch()

    found = await world.check()

    assert [each.invariant for each in found] == [Invariant.MissingDirectory, Invariant.ForeignFile]


async def test_a_page_of_blobs_that_cannot_be_looked_at_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails now and then: not when one blob is looked at, but when all are."""
    monkeypatch.setattr("server.jobs.check._PAGE", 2)
    await world.sql("UPDATE object_version SET body = set_byte(body, 3, 7) WHERE key = 'small'")
    find_files = world.node.blobs.find_files

    async def fail_for_two(digests: list[BlobDigest]) -> list[FoundFile | None]:
        if len(digests) > 1:
            raise StorageError("could not look at blobs: Input/output error")
        return await find_files(digests)

    monkeypatch.setattr(world.node.blobs, "find_files", fail_for_two)

    found = await world.check(read_data=True)

    assert {(each.invariant, each.subject) for each in found} == {
        (Invariant.UnreadableFiles, "blobs"),
        (Invariant.RottenRow, "bucket/small"),
    }
    assert world.looked.blobs == 5
