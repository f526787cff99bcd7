"""Every invariant is broken on purpose, and named by the check: the proof that a check can fail."""

import fcntl
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.metadata import checks
from server.metadata.connection import Connection
from server.model.invariant import Invariant
from tests.blobs.bodies import BodyOf, digest_of, random_bytes
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


Break = Callable[[World], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """A way to break one invariant.

    judge: how tests/invariants.py calls it; "" where it does not look, or it is a leftover to it.
    """

    invariant: Invariant
    break_it: Break
    judge: str = ""
    read_data: bool = False
    days_later: float = 0


def sql(*statements: str) -> Break:
    return lambda world: world.sql(*statements, large=digest_of(LARGE))


def on_disk(change: Callable[[World], object]) -> Break:
    async def break_it(world: World) -> None:
        change(world)

    return break_it


async def publish_an_orphan(world: World) -> None:
    await world.node.publish(ORPHAN)


async def trash_an_orphan(world: World) -> None:
    await world.node.publish(ORPHAN)
    await world.node.blobs.trash([digest_of(ORPHAN)])


async def other_bytes_with_their_checksums(world: World) -> None:
    """As a bug would leave it that wrote one body under the name of another."""
    other = random_bytes(len(LARGE) + 1)[1:]
    blob = await world.node.publish(other)
    os.rename(world.file(other), world.file(LARGE))
    await world.sql(
        "UPDATE blob SET block_crcs = %(crcs)s WHERE digest = %(large)s",
        crcs=blob.block_crcs,
        large=digest_of(LARGE),
    )


BY_LARGE = "WHERE digest = %(large)s"
# Rows that come while an index is not ready are not in it, as after a crash of a faulty disk.
INDEX = "UPDATE pg_index SET {} WHERE indexrelid = '{}'::regclass"
ANOTHER = """
    INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers, user_metadata,
                                body, digest)
    SELECT bucket_id, {}, size, etag, storage_class, headers, user_metadata, body, digest
      FROM object_version WHERE key = {}
"""

CASES = {
    "the file is gone": Case(
        Invariant.BlobWithoutFile, on_disk(lambda w: w.file(LARGE).unlink()), "no file"
    ),
    "an object names a blob without a row": Case(
        Invariant.NamedWithoutBlob, sql(f"DELETE FROM blob {BY_LARGE}")
    ),
    "a part names a blob without a row": Case(
        Invariant.NamedWithoutBlob,
        lambda w: w.sql("DELETE FROM blob WHERE digest = %(first)s", first=digest_of(FIRST)),
    ),
    "a part is gone": Case(
        Invariant.ObjectWithoutParts,
        lambda w: w.conn.execute("DELETE FROM part WHERE number = 2"),
        "object without its parts",
    ),
    "a part is larger than its slices": Case(
        Invariant.PartWithoutBytes,
        sql("UPDATE slice SET length = length - 1 WHERE number = 2"),
        "part without its bytes",
    ),
    "a slice ends behind its blob": Case(
        Invariant.SliceBeyondBlob,
        sql("UPDATE slice SET blob_byte = blob_byte + 1 WHERE number = 2"),
        "slice beyond its blob",
    ),
    "a slice begins before its blob": Case(
        Invariant.SliceBeyondBlob, sql("UPDATE slice SET blob_byte = -1 WHERE number = 2")
    ),
    "a part begins elsewhere": Case(
        Invariant.MisplacedPart,
        sql("UPDATE part SET first_byte = first_byte + 1 WHERE number = 2"),
        "part at another place",
    ),
    "a slice begins elsewhere": Case(
        Invariant.MisplacedSlice, sql("UPDATE slice SET part_byte = 1 WHERE number = 2")
    ),
    "a small body is longer": Case(
        Invariant.ObjectOfAnotherSize,
        sql("UPDATE object_version SET body = body || 'x'::bytea WHERE key = 'small'"),
    ),
    "a blob is longer": Case(
        Invariant.ObjectOfAnotherSize,
        sql("UPDATE object_version SET size = size - 1 WHERE key = 'large'"),
    ),
    "the bucket is another": Case(
        Invariant.ObjectInNoBucket,
        sql("UPDATE object_version SET bucket_id = -1 WHERE key = 'small'"),
        "object in no bucket",
    ),
    "an index misses a row": Case(
        Invariant.IndexWithoutRows,
        sql(
            INDEX.format("indisready = false", "object_version_digest"),
            ANOTHER.format("'another'", "'large'"),
            INDEX.format("indisready = true", "object_version_digest"),
        ),
    ),
    "an index is not valid": Case(
        Invariant.IndexWithoutRows, sql(INDEX.format("indisvalid = false", "blob_rotten"))
    ),
    "an index is gone": Case(Invariant.IndexWithoutRows, sql("DROP INDEX slice_digest")),
    "a named blob is marked as trashed": Case(
        Invariant.NamedAlthoughTrashed,
        sql(f"UPDATE blob SET trashed = now() {BY_LARGE}"),
        "named although trashed",
    ),
    "a key has two current versions": Case(
        Invariant.TwoCurrentVersions,
        sql(
            INDEX.format("indisunique = false", "object_version_current"),
            ANOTHER.format("key", "'small'"),
            INDEX.format("indisunique = true", "object_version_current"),
        ),
    ),
    "a living blob was moved to the trash": Case(
        Invariant.LivingBlobInTrash, lambda w: w.node.blobs.trash([digest_of(LARGE)])
    ),
    "an orphan is old": Case(Invariant.FileWithoutRow, publish_an_orphan, days_later=1.1),
    "an orphan is old in the trash": Case(
        Invariant.FileWithoutRow, trash_an_orphan, days_later=1.1
    ),
    "a staged file is nobody's": Case(
        Invariant.TempFileWithoutProcess,
        on_disk(lambda w: (w.node.blobs.layout.staging / "abcd").write_bytes(b"left")),
    ),
    "a blob is named by nothing": Case(
        Invariant.NamedByNothing,
        lambda w: w.publish_with_row(ORPHAN),
        "nothing names it and nobody will look",
    ),
    "a manifest is named by nothing": Case(
        Invariant.NamedByNothing,
        sql("INSERT INTO manifest DEFAULT VALUES"),
        "nothing names it and nobody will look",
    ),
    "a release is two days old": Case(
        Invariant.ReleasedAndForgotten,
        sql("INSERT INTO released_blob VALUES (%(large)s, now() - interval '2 days')"),
    ),
    "a trigger is off": Case(
        Invariant.TriggerOff, sql("ALTER TABLE slice DISABLE TRIGGER slice_deleted")
    ),
    "a trigger is gone": Case(
        Invariant.TriggerOff, sql("DROP TRIGGER multipart_upload_deleted ON multipart_upload")
    ),
    "a file is cut short": Case(
        Invariant.FileOfAnotherSize,
        on_disk(lambda w: os.truncate(w.file(LARGE), 5)),
        "file with other bytes",
    ),
    "a block has no checksum": Case(
        Invariant.BlockCrcsOfAnotherLength,
        sql(
            "ALTER TABLE blob DROP CONSTRAINT blob_check",
            f"UPDATE blob SET block_crcs = substr(block_crcs, 9) {BY_LARGE}",
        ),
    ),
    "the scrub found it rotten": Case(
        Invariant.RottenBlob, sql(f"UPDATE blob SET rotten = now() {BY_LARGE}")
    ),
    "a bit of a file is another": Case(
        Invariant.RottenBlob,
        on_disk(lambda w: flip_a_bit(w.file(LARGE))),
        "file with other bytes",
        read_data=True,
    ),
    "the checksum of a block is another": Case(
        Invariant.RottenBlob,
        sql(f"UPDATE blob SET block_crcs = set_byte(block_crcs, 9, 77) {BY_LARGE}"),
        read_data=True,
    ),
    "a file holds other bytes with their checksums": Case(
        Invariant.RottenBlob,
        other_bytes_with_their_checksums,
        "file with other bytes",
        read_data=True,
    ),
    "a small body has another checksum": Case(
        Invariant.RottenRow,
        sql("UPDATE object_version SET body = set_byte(body, 3, 7) WHERE key = 'small'"),
        read_data=True,
    ),
    "a small body has another MD5": Case(
        Invariant.RottenRow,
        sql(
            "UPDATE object_version SET checksum = NULL, checksum_algorithm = NULL,"
            " body = set_byte(body, 3, 7) WHERE key = 'small'"
        ),
        read_data=True,
    ),
    "a shard is gone": Case(
        Invariant.MissingDirectory, on_disk(lambda w: an_empty_shard(w).rmdir())
    ),
    "a file of another program": Case(
        Invariant.ForeignFile, on_disk(lambda w: (an_empty_shard(w) / "notes.txt").touch())
    ),
    "a blob in the shard of others": Case(
        Invariant.ForeignFile,
        on_disk(lambda w: (an_empty_shard(w) / w.file(LARGE).name).touch()),
    ),
}


def an_empty_shard(world: World) -> Path:
    layout = world.node.blobs.layout
    return next(path for path in layout.directories[2:] if not any(path.iterdir()))


def test_every_invariant_is_broken_by_a_case() -> None:
    """All but one: PostgreSQL's own files are broken in tests/cli/test_check.py."""
    broken = {case.invariant for case in CASES.values()}

    assert broken == set(Invariant) - {Invariant.UnreadableRows}


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
