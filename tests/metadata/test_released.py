import asyncio

import pytest

from server.metadata import blobs, job_runs, manifests, multipart_uploads, released
from server.metadata.connection import Connection
from server.metadata.multipart_uploads import CompletedUpload
from server.model.blob import Slice
from server.model.bucket import Bucket
from server.model.names import ETag
from tests.metadata.rows import (
    blob,
    complete,
    count,
    is_waiting,
    new_upload,
    put_blob,
    put_part,
)

ONE, TWO = blob("one"), blob("two")


async def delete_object(conn: Connection, key: str) -> None:
    await conn.execute("DELETE FROM object_version WHERE key = %s", [key])


async def trashed(conn: Connection, *, limit: int = 100) -> tuple[int, set[bytes]]:
    """Do what the sweep does with released blobs, without files."""
    async with conn.transaction():
        looked_at, unreferenced = await released.lock_released_blobs(conn, limit=limit)
        await released.mark_trashed(conn, unreferenced)
    return looked_at, set(unreferenced)


async def deleted(conn: Connection) -> set[bytes]:
    """Do what the sweep does with blobs in trash/, without files."""
    async with conn.transaction():
        _, unreferenced = await released.lock_trashed_blobs(conn, grace_seconds=0, limit=100)
        await released.delete_blobs(conn, unreferenced)
    return set(unreferenced)


async def delete_manifests(conn: Connection, *, grace_seconds: float = 0) -> int:
    async with conn.transaction():
        return await released.delete_manifests(conn, grace_seconds=grace_seconds, limit=100)


async def test_a_blob_that_lost_its_last_reference_is_trashed_and_then_deleted(
    conn: Connection, home: Bucket
) -> None:
    await put_blob(conn, home, "k", ONE)
    await delete_object(conn, "k")

    assert await trashed(conn) == (1, {ONE.digest})
    assert await count(conn, "released_blob") == 0
    assert await deleted(conn) == {ONE.digest}
    assert await count(conn, "blob") == 0


@pytest.mark.parametrize("by", ["an object", "a part"])
async def test_a_blob_that_something_else_names_stays(
    conn: Connection, home: Bucket, by: str
) -> None:
    if by == "a part":
        await put_part(conn, await new_upload(conn, home), 1, [Slice(ONE, 0, 5)])
    else:
        await put_blob(conn, home, "copy", ONE)
    await put_blob(conn, home, "k", ONE)
    await delete_object(conn, "k")

    assert await trashed(conn) == (1, set())
    assert await count(conn, "released_blob") == 0


async def test_a_release_that_comes_while_the_sweep_looks_is_kept_for_the_next_time(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    """A delete locks no blob, so it can commit at any moment, and nobody would look again."""
    await put_blob(conn, home, "first", ONE)
    await put_blob(conn, home, "second", ONE)
    await delete_object(conn, "first")
    async with conn.transaction():
        _, unreferenced = await released.lock_released_blobs(conn, limit=100)
        await delete_object(other, "second")
        await released.mark_trashed(conn, unreferenced)

    assert unreferenced == []
    assert await trashed(conn) == (1, {ONE.digest})


async def test_a_release_that_comes_while_manifests_are_looked_at_is_kept(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    await complete(conn, home, upload, 0)
    await conn.execute("INSERT INTO released_manifest VALUES (%s)", [upload.manifest_id])
    async with conn.transaction():
        await released.delete_manifests(conn, grace_seconds=0, limit=100)
        await delete_object(other, upload.key)

    assert await delete_manifests(conn) == 1
    assert await count(conn, "manifest") == 0


async def test_many_releases_of_one_blob_do_not_hold_up_the_others(
    conn: Connection, home: Bucket
) -> None:
    for turn in range(6):
        await put_blob(conn, home, "k", (ONE, TWO)[turn % 2])
    await put_blob(conn, home, "last", blob("three"))
    await delete_object(conn, "k")
    await delete_object(conn, "last")

    found = set()
    passes = 0
    while (step := await trashed(conn, limit=2))[0]:
        passes += 1
        found |= step[1]

    assert found == {ONE.digest, TWO.digest, blob("three").digest}
    assert passes == 4
    assert await count(conn, "released_blob") == 0


async def test_a_blob_that_somebody_has_locked_is_left_for_another_time(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    await put_blob(conn, home, "k", ONE)
    await delete_object(conn, "k")
    async with other.transaction():
        await blobs.lock_for_reference(other, [ONE.digest])

        assert await trashed(conn) == (0, set())

    assert await trashed(conn) == (1, {ONE.digest})


async def test_releases_of_blobs_that_are_gone_are_forgotten(conn: Connection) -> None:
    await conn.execute("INSERT INTO released_blob SELECT decode(repeat('00', 32), 'hex')")

    assert await trashed(conn) == (1, set())

    assert await count(conn, "released_blob") == 0


async def test_a_copy_of_a_blob_that_is_being_trashed_waits_and_then_finds_no_blob(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    """D3: the copy looks for its source again then."""
    await put_blob(conn, home, "k", ONE)
    await delete_object(conn, "k")
    async with conn.transaction():
        _, unreferenced = await released.lock_released_blobs(conn, limit=100)
        copying = asyncio.create_task(blobs.lock_for_reference(other, [ONE.digest]))
        waited = await is_waiting(copying)
        await released.mark_trashed(conn, unreferenced)

    assert waited
    assert await copying is False


async def test_an_upload_of_the_same_bytes_waits_for_the_sweep_and_revives_the_blob(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    await put_blob(conn, home, "k", ONE)
    await delete_object(conn, "k")
    async with conn.transaction():
        _, unreferenced = await released.lock_released_blobs(conn, limit=100)
        writing = asyncio.create_task(put_blob(other, home, "again", ONE))
        waited = await is_waiting(writing)
        await released.mark_trashed(conn, unreferenced)

    await writing
    assert waited
    assert await deleted(conn) == set()
    assert await blobs.lock_for_reference(conn, [ONE.digest])


async def test_a_blob_in_the_trash_waits_for_its_grace(conn: Connection, home: Bucket) -> None:
    await put_blob(conn, home, "k", ONE)
    await delete_object(conn, "k")
    await trashed(conn)

    async with conn.transaction():
        locked, _ = await released.lock_trashed_blobs(conn, grace_seconds=60, limit=100)

    assert locked == []


async def test_a_trashed_blob_that_is_named_after_all_is_not_unreferenced(
    conn: Connection, home: Bucket
) -> None:
    """A database that lost its locks in the middle of a sweep can bring this about (D7)."""
    await put_blob(conn, home, "k", ONE)
    await released.mark_trashed(conn, [ONE.digest])

    async with conn.transaction():
        locked, unreferenced = await released.lock_trashed_blobs(conn, grace_seconds=0, limit=9)
        await released.revive(conn, locked)

    assert (locked, unreferenced) == ([ONE.digest], [])
    assert await blobs.lock_for_reference(conn, [ONE.digest])


@pytest.fixture
async def upload_of_two(conn: Connection, home: Bucket) -> int:
    """The manifest of a completed upload of two blobs, which is the object "key"."""
    upload = await new_upload(conn, home)
    await put_part(conn, upload, 1, [Slice(ONE, 0, 5)])
    await put_part(conn, upload, 2, [Slice(TWO, 0, 5)])
    await complete(conn, home, upload, 10)
    return upload.manifest_id


async def test_a_manifest_that_nothing_names_goes_and_releases_its_blobs(
    conn: Connection, upload_of_two: int
) -> None:
    await delete_object(conn, "key")

    assert await delete_manifests(conn) == 1

    assert await count(conn, "manifest") == 0
    assert (await trashed(conn))[1] == {ONE.digest, TWO.digest}


async def test_a_manifest_that_a_copy_names_stays(
    conn: Connection, home: Bucket, upload_of_two: int
) -> None:
    copy = (
        "INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers,"
        " user_metadata, manifest_id, parts) SELECT bucket_id, 'copy', size, etag, storage_class,"
        " headers, user_metadata, manifest_id, parts FROM object_version"
    )
    await conn.execute(copy)
    await delete_object(conn, "key")

    assert await delete_manifests(conn) == 1
    assert await count(conn, "manifest") == 1

    await delete_object(conn, "copy")
    assert await delete_manifests(conn) == 1
    assert await count(conn, "manifest") == 0


async def test_a_manifest_waits_for_the_grace_of_its_readers(
    conn: Connection, upload_of_two: int
) -> None:
    await delete_object(conn, "key")

    assert await delete_manifests(conn, grace_seconds=60) == 0
    assert await count(conn, "manifest") == 1


async def test_a_manifest_waits_for_the_readers_of_its_last_copy(
    conn: Connection, upload_of_two: int
) -> None:
    """Scenario: the object was replaced long ago, its copy just now."""
    await delete_object(conn, "key")
    await conn.execute("UPDATE released_manifest SET released = now() - interval '2 minutes'")
    await conn.execute("INSERT INTO released_manifest VALUES (%s)", [upload_of_two])

    assert await delete_manifests(conn, grace_seconds=60) == 1
    assert await count(conn, "manifest") == 1

    assert await delete_manifests(conn, grace_seconds=0) == 1
    assert await count(conn, "manifest") == 0


async def test_a_manifest_that_a_copy_is_about_to_name_is_left_for_another_time(
    conn: Connection, other: Connection, upload_of_two: int
) -> None:
    await delete_object(conn, "key")
    async with other.transaction():
        await manifests.lock_for_reference(other, upload_of_two)

        assert await delete_manifests(conn) == 0

    assert await delete_manifests(conn) == 1


async def test_an_orphan_gets_a_row_that_says_it_is_in_the_trash(conn: Connection) -> None:
    async with conn.transaction():
        assert await released.adopt_orphans(conn, [ONE.digest]) == [ONE.digest]

    assert not await blobs.lock_for_reference(conn, [ONE.digest])
    assert await deleted(conn) == {ONE.digest}


async def test_a_file_that_has_a_row_is_no_orphan(conn: Connection, home: Bucket) -> None:
    await put_blob(conn, home, "k", ONE)

    async with conn.transaction():
        assert await released.adopt_orphans(conn, [ONE.digest]) == []


async def test_a_writer_of_an_adopted_orphan_gives_its_row_size_and_crcs(
    conn: Connection, home: Bucket
) -> None:
    await released.adopt_orphans(conn, [ONE.digest])

    await put_blob(conn, home, "k", ONE)

    cursor = await conn.execute("SELECT size, block_crcs, trashed FROM blob")
    assert await cursor.fetchall() == [(ONE.size, ONE.block_crcs, None)]


async def test_lock_in_place_returns_blobs_that_are_not_in_the_trash(
    conn: Connection, home: Bucket
) -> None:
    await put_blob(conn, home, "k", ONE)
    await released.adopt_orphans(conn, [TWO.digest])

    async with conn.transaction():
        found = await released.lock_in_place(conn, [ONE.digest, TWO.digest, blob("none").digest])

    assert found == [ONE.digest]


async def test_completed_uploads_are_forgotten_after_a_while(
    conn: Connection, home: Bucket
) -> None:
    old = await new_upload(conn, home, "old", "old")
    new = await new_upload(conn, home, "new", "new")
    await new_upload(conn, home, "open", "open")
    for upload in (old, new):
        await multipart_uploads.finish(conn, upload, CompletedUpload(b"", ETag("e-1"), None))
    await conn.execute(
        "UPDATE multipart_upload SET completed = now() - interval '2 days',"
        " initiated = now() - interval '9 days' WHERE key IN ('old', 'open') AND completed"
        " IS NOT NULL"
    )

    async with conn.transaction():
        forgotten = await released.forget_completed_uploads(conn, age_seconds=86400, limit=100)

    assert forgotten == 1
    cursor = await conn.execute("SELECT key FROM multipart_upload ORDER BY key")
    assert await cursor.fetchall() == [("new",), ("open",)]


async def test_a_job_is_due_until_it_was_done_and_again_after_a_while(conn: Connection) -> None:
    assert await job_runs.is_due(conn, "sweep", every_seconds=60)
    await job_runs.done(conn, "sweep")
    assert not await job_runs.is_due(conn, "sweep", every_seconds=60)
    assert await job_runs.is_due(conn, "another", every_seconds=60)
    await conn.execute("UPDATE job_run SET ended = ended - interval '61 s'")
    assert await job_runs.is_due(conn, "sweep", every_seconds=60)
    await job_runs.done(conn, "sweep")
    assert not await job_runs.is_due(conn, "sweep", every_seconds=60)
