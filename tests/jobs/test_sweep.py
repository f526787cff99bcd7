import asyncio
import time
from types import SimpleNamespace

import pytest

from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep
from server.metadata import blobs, multipart_uploads, released
from server.metadata.connection import Connection
from server.metadata.store import Metadata
from server.model.blob import Slice
from tests.blobs.bodies import digest_of, random_bytes
from tests.invariants import leftovers_in_the_end
from tests.jobs.node import Node
from tests.jobs.scrubbing import Logged
from tests.metadata.rows import complete, new_upload, put_part

ONE, TWO = random_bytes(10_000), random_bytes(20_000)
_END_LOCKS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
     WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
"""


async def test_the_blob_of_a_deleted_object_goes_to_the_trash_and_then_away(node: Node) -> None:
    await node.put("k", ONE)
    await node.delete("k")

    await node.sweep(grace_seconds=60)
    trashed = node.in_the_trash(ONE).exists(), node.at_its_place(ONE).exists()
    await node.sweep()

    assert trashed == (True, False)
    assert node.leftovers() == []
    assert node.broken() == []


async def test_the_blob_of_an_overwritten_object_goes_and_the_new_one_stays(node: Node) -> None:
    await node.put("k", ONE)
    await node.put("k", TWO)

    await node.sweep()

    assert node.at_its_place(TWO).exists()
    assert node.leftovers() == []
    assert node.broken() == []


async def test_a_blob_that_another_object_names_stays(node: Node) -> None:
    await node.put("k", ONE)
    await node.put("copy", ONE)
    await node.delete("k")

    await node.sweep()

    assert node.at_its_place(ONE).exists()
    assert node.leftovers() == []
    assert node.broken() == []


async def test_bytes_that_come_back_while_their_blob_is_in_the_trash_live_again(
    node: Node,
) -> None:
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)
    await node.put("again", ONE)

    await node.sweep()

    assert node.at_its_place(ONE).exists()
    assert not node.in_the_trash(ONE).exists()
    assert node.leftovers() == []
    assert node.broken() == []


async def test_an_aborted_upload_leaves_nothing(node: Node) -> None:
    blob = await node.publish(ONE)
    async with node.metadata.transaction() as conn:
        upload = await new_upload(conn, node.home)
        await put_part(conn, upload, 1, [Slice(blob, 0, blob.size)])
        await multipart_uploads.delete(conn, upload)

    await node.sweep()

    assert node.leftovers() == []
    assert node.broken() == []


async def test_parts_that_were_left_out_or_replaced_leave_nothing(node: Node) -> None:
    bodies = [await node.publish(random_bytes(1000 + number)) for number in range(3)]
    async with node.metadata.transaction() as conn:
        upload = await new_upload(conn, node.home)
        await put_part(conn, upload, 1, [Slice(bodies[0], 0, 1000)])
        await put_part(conn, upload, 1, [Slice(bodies[1], 0, 1001)])
        await put_part(conn, upload, 2, [Slice(bodies[2], 0, 1002)])
        await multipart_uploads.keep_only(conn, upload, [1])
        await complete(conn, node.home, upload, 1001)
        await conn.execute("UPDATE object_version SET size = 1001")

    await node.sweep()

    assert node.leftovers() == []
    assert node.broken() == []


async def test_hundreds_of_blobs_released_more_than_once_all_go_in_one_pass(node: Node) -> None:
    """A pass that stopped at the first repetition would never catch up with a busy server."""
    bodies = [random_bytes(2000 + number) for number in range(130)]
    for _ in range(2):
        await asyncio.gather(*(node.put(f"k{n}", body) for n, body in enumerate(bodies)))
        await asyncio.gather(*(node.delete(f"k{n}") for n in range(len(bodies))))

    await node.sweep()

    assert node.leftovers() == []


async def test_a_manifest_of_ten_thousand_parts_goes(node: Node) -> None:
    blob = await node.publish(ONE)
    async with node.metadata.transaction() as conn:
        upload = await new_upload(conn, node.home)
        await put_part(conn, upload, 1, [Slice(blob, 0, 1)])
        values = {"id": upload.manifest_id, "digest": blob.digest}
        await conn.execute(
            "INSERT INTO part (manifest_id, number, size, etag)"
            " SELECT %(id)s, n, 1, 'etag' FROM generate_series(2, 10000) AS n",
            values,
        )
        await conn.execute(
            "INSERT INTO slice SELECT %(id)s, n, 0, %(digest)s, n, 1"
            "  FROM generate_series(2, 9999) AS n",
            values,
        )
        await multipart_uploads.delete(conn, upload)

    await node.sweep()

    assert node.leftovers() == []


async def test_orphans_of_a_crash_go_once_they_are_old(node: Node) -> None:
    await node.publish(ONE)
    await node.put("k", TWO)
    sweep = Sweep(node.metadata, node.blobs, grace_seconds=0)

    await sweep.trash_orphans(age_seconds=60)
    young = node.at_its_place(ONE).exists()
    await sweep.trash_orphans(age_seconds=-60)
    await sweep.run()

    assert young
    assert node.at_its_place(TWO).exists()
    assert node.leftovers() == []
    assert node.broken() == []


async def test_orphans_are_looked_for_by_one_node_at_a_time_and_not_in_every_pass(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a server that is restarted often: the database remembers.

    Twelve hours of age and eleven between two looks are less than the day of D8.
    """
    tomorrow = SimpleNamespace(time=lambda: time.time() + 86_400)
    monkeypatch.setattr("server.jobs.sweep.time", tomorrow)
    await node.sweep()
    await node.publish(ONE)

    await node.sweep()
    at_once = node.at_its_place(ONE).exists()
    await conn.execute("UPDATE job_run SET ended = ended - interval '11 hours'")
    await node.sweep()
    await node.sweep()

    assert at_once
    assert node.leftovers() == []


async def test_a_crash_after_the_move_to_the_trash_is_made_good(node: Node) -> None:
    """The transaction is gone, the file is moved: its row says that it is at its place."""
    await node.put("k", ONE)
    await node.delete("k")
    await node.blobs.trash([digest_of(ONE)])

    await node.sweep()

    assert node.leftovers() == []


async def test_a_living_blob_that_lies_in_the_trash_is_brought_back(node: Node) -> None:
    """A database that restarts loses its locks, and the sweep moves a file all the same (D7)."""
    await node.put("k", ONE)
    await node.blobs.trash([digest_of(ONE)])
    before = node.broken()

    await node.sweep()

    assert before == []  # a reader finds it in trash/
    assert node.at_its_place(ONE).exists()
    assert not node.in_the_trash(ONE).exists()
    assert node.broken() == []


async def test_a_trashed_blob_that_is_named_is_brought_back(node: Node, conn: Connection) -> None:
    await node.put("k", ONE)
    await node.blobs.trash([digest_of(ONE)])
    await released.mark_trashed(conn, [digest_of(ONE)])

    await node.sweep()

    assert node.at_its_place(ONE).exists()
    assert node.leftovers() == []
    assert node.broken() == []


async def test_a_file_in_the_trash_that_no_row_names_goes(node: Node) -> None:
    """A crash between the move of an orphan and the commit of its row."""
    await node.publish(ONE)
    await node.blobs.trash([digest_of(ONE)])

    await node.sweep()
    await node.sweep()

    assert node.leftovers() == []


async def test_a_crash_between_unlink_and_commit_is_made_good(node: Node) -> None:
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)
    await node.blobs.unlink_trashed([digest_of(ONE)])

    await node.sweep()

    assert node.leftovers() == []


async def test_a_crash_of_an_upload_whose_bytes_wait_in_the_trash_is_made_good(
    node: Node,
) -> None:
    """The file has its name, its row still says trash/: it is an orphan once that row is gone."""
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)
    await node.publish(ONE)
    sweep = Sweep(node.metadata, node.blobs, grace_seconds=0)

    for _ in range(2):
        await sweep.trash_orphans(age_seconds=-60)
        await sweep.run()

    assert node.leftovers() == []
    assert node.broken() == []


async def test_the_sweep_waits_for_no_writer(node: Node, conn: Connection) -> None:
    await node.put("k", ONE)
    await node.put("l", TWO)
    await node.delete("k")
    await node.delete("l")
    async with conn.transaction():
        await blobs.lock_for_reference(conn, [digest_of(ONE)])
        began = time.monotonic()
        await node.sweep()
        took = time.monotonic() - began

        assert node.at_its_place(ONE).exists()
        assert not node.at_its_place(TWO).exists()

    await node.sweep()
    assert took < 2
    assert node.leftovers() == []


async def test_only_one_of_all_processes_sweeps(node: Node, database_url: str) -> None:
    async with (
        Metadata.opened(database_url, connections=1, timeout_seconds=5) as elsewhere,
        node.metadata.alone("sweep") as first,
        elsewhere.alone("sweep") as second,
        elsewhere.alone("another") as another,
    ):
        assert [bool(lock) for lock in (first, second, another)] == [True, False, True]

    async with node.metadata.alone("sweep") as again:
        assert again


async def test_a_job_is_not_alone_for_longer_than_its_connection_lives(
    node: Node, conn: Connection
) -> None:
    async with node.metadata.alone("sweep") as first:
        await conn.execute(_END_LOCKS)
        await asyncio.sleep(0.2)
        async with node.metadata.alone("sweep") as second:
            assert first is not None
            assert second is not None


async def test_a_sweep_that_lost_its_lock_stops_and_begins_again(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup may have got it, and copy what the sweep would unlink."""
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)
    remove_stale_staging = node.blobs.remove_stale_staging

    async def lose_the_lock() -> int:
        await conn.execute(_END_LOCKS)
        return await remove_stale_staging()

    sweep = Sweep(node.metadata, node.blobs, grace_seconds=0)
    async with asyncio.TaskGroup() as group:
        with monkeypatch.context() as losing:
            losing.setattr(node.blobs, "remove_stale_staging", lose_the_lock)
            running = group.create_task(sweep.run_every(0.05))
            async with asyncio.timeout(20):
                while not logged and node.in_the_trash(ONE).exists():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            was_kept = node.in_the_trash(ONE).exists()
        left = await leftovers_in_the_end(node.url, node.blobs.layout.root)
        running.cancel()

    assert was_kept
    assert logged[0]["event"] == "sweep failed"
    assert "the lock of the sweep was lost" in logged[0]["error"]
    assert left == []


async def test_the_sweep_goes_on_after_postgres_was_away(node: Node, conn: Connection) -> None:
    await node.put("k", ONE)
    await node.delete("k")
    sweep = Sweep(node.metadata, node.blobs, grace_seconds=0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(sweep.run_every(0.05))
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        left = await leftovers_in_the_end(node.url, node.blobs.layout.root)
        running.cancel()

    assert left == []


async def test_sweeping_while_the_same_bytes_come_and_go_loses_nothing(
    node: Node, database_url: str, store: BlobStore
) -> None:
    bodies = [random_bytes(3000 + number) for number in range(4)]
    stop = asyncio.Event()

    async def sweeping(metadata: Metadata) -> None:
        while not stop.is_set():
            await Sweep(metadata, store, grace_seconds=0).run()

    async def come_and_go(number: int) -> None:
        for turn in range(40):
            body = bodies[(number + turn) % len(bodies)]
            await node.put(f"k{number}", body)
            if turn % 3 == 0:
                await node.delete(f"k{number}")

    async with (
        Metadata.opened(database_url, connections=2, timeout_seconds=5) as elsewhere,
        asyncio.TaskGroup() as group,
    ):
        swept = group.create_task(sweeping(elsewhere))
        await asyncio.gather(*(come_and_go(number) for number in range(4)))
        stop.set()
        await swept

    assert node.broken() == []
    await node.sweep()
    await node.sweep()
    assert node.leftovers() == []
    assert node.broken() == []
