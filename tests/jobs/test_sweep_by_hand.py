"""Sweeping by hand: what it counts, what it says, and what it leaves alone."""

import asyncio

import pytest

from server.blobs.errors import BlobLayoutError, NodeReadOnly
from server.blobs.store import BlobStore
from server.jobs.sweep import Sweep, Swept
from server.metadata import blobs, multipart_uploads, released
from server.metadata.connection import Connection
from server.metadata.store import Metadata
from server.model.blob import Slice
from tests.blobs.bodies import digest_of, random_bytes
from tests.jobs.node import Node
from tests.metadata.rows import blob, new_upload, put_part

ONE, TWO = random_bytes(10_000), random_bytes(20_000)


async def test_the_sweep_counts_what_it_did(node: Node, store: BlobStore) -> None:
    (store.layout.staging / "left").write_bytes(b"by a dead writer")
    await node.put("k", ONE)
    await node.delete("k")
    await node.publish(TWO)
    living = random_bytes(30_000)
    await node.put("l", living)
    await node.blobs.trash([digest_of(living)])
    async with node.metadata.transaction() as conn:
        await multipart_uploads.delete(conn, await new_upload(conn, node.home))

    swept = await Sweep(node.metadata, store, grace_seconds=0).run(orphans_older_than=-60)

    assert swept == Swept(temp_files=1, manifests=1, orphans=1, trashed=1, restored=1, removed=2)
    assert node.leftovers() == []


async def test_the_sweep_says_what_is_lost(node: Node, conn: Connection) -> None:
    await node.put("k", ONE)
    await node.blobs.trash([digest_of(ONE)])
    await released.mark_trashed(conn, [digest_of(ONE)])
    node.in_the_trash(ONE).unlink()

    swept = await Sweep(node.metadata, node.blobs, grace_seconds=0).run()

    assert swept == Swept(lost=1)


async def test_a_sweep_by_hand_looks_for_orphans_of_the_age_that_it_is_told(node: Node) -> None:
    await node.sweep()  # nobody is to look for them now
    await node.publish(ONE)
    sweep = Sweep(node.metadata, node.blobs, grace_seconds=0)

    young = await sweep.run(orphans_older_than=60)
    old = await sweep.run(orphans_older_than=-60)

    assert (young.orphans, old.orphans) == (0, 1)
    assert node.leftovers() == []


async def test_an_orphan_in_the_trash_goes_in_one_pass(node: Node) -> None:
    await node.publish(ONE)
    await node.blobs.trash([digest_of(ONE)])

    swept = await Sweep(node.metadata, node.blobs, grace_seconds=0).run()

    assert swept == Swept(orphans=1, removed=1)
    assert node.leftovers() == []


async def test_the_directory_of_another_database_is_left_alone(
    node: Node, conn: Connection
) -> None:
    """A mistaken --data or --database-url would make an orphan of every file."""
    await node.put("k", ONE)
    await conn.execute("UPDATE object_version SET digest = NULL, body = ''")
    await conn.execute("DELETE FROM blob")
    await blobs.lock_for_writing(conn, [blob("elsewhere")])
    sweep = Sweep(node.metadata, node.blobs, grace_seconds=0)

    with pytest.raises(BlobLayoutError, match="has none of 1 blobs that the database names"):
        await sweep.run(orphans_older_than=-60)

    assert node.at_its_place(ONE).exists()


async def test_files_that_are_older_than_a_database_without_blobs_are_left_alone(
    node: Node, conn: Connection
) -> None:
    """A directory whose database was lost: a new one names nothing, and all would be orphans."""
    await node.publish(ONE)
    await conn.execute("UPDATE account SET created = now() + interval '2 minutes'")

    with pytest.raises(BlobLayoutError, match="older than the database"):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).run(orphans_older_than=-60)

    assert node.at_its_place(ONE).exists()


async def test_files_of_a_database_that_was_never_used_are_left_alone(
    node: Node, conn: Connection
) -> None:
    """As s3d sweep makes one that finds an empty database."""
    await node.publish(ONE)
    await conn.execute("DELETE FROM bucket")
    await conn.execute("DELETE FROM account")

    with pytest.raises(BlobLayoutError, match="older than the database"):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).run(orphans_older_than=-60)

    assert node.at_its_place(ONE).exists()


async def test_what_lies_in_the_trash_of_another_database_is_left_alone(
    node: Node, conn: Connection
) -> None:
    await node.publish(ONE)
    await node.blobs.trash([digest_of(ONE)])
    await conn.execute("UPDATE account SET created = now() + interval '2 minutes'")

    with pytest.raises(BlobLayoutError, match="older than the database"):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).run()

    assert node.in_the_trash(ONE).exists()


async def test_every_batch_of_orphans_is_compared_with_the_age_of_the_database(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.sweep._CLOCKS_SECONDS", 0.0)
    monkeypatch.setattr("server.blobs.store._SWEEP_BATCH", 1)
    young, old = sorted((ONE, TWO), key=digest_of)
    await node.publish(old)
    await asyncio.sleep(0.05)
    await conn.execute("UPDATE account SET created = clock_timestamp()")
    await asyncio.sleep(0.05)
    await node.publish(young)

    with pytest.raises(BlobLayoutError, match="older than the database"):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).trash_orphans(age_seconds=-60)

    assert node.in_the_trash(young).exists()
    assert node.at_its_place(old).exists()


async def test_an_upload_that_died_when_its_bytes_waited_in_the_trash_leaves_nothing(
    node: Node,
) -> None:
    """Its file is in both places. Without its row it would be an orphan, which nobody looks for."""
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)
    await node.publish(ONE)

    swept = await Sweep(node.metadata, node.blobs, grace_seconds=0).run(orphans_older_than=-60)

    assert swept == Swept(trashed=1, removed=1)
    assert node.leftovers() == []


async def test_what_such_an_upload_left_waits_for_its_grace_again(
    node: Node, conn: Connection
) -> None:
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)
    await node.publish(ONE)
    await conn.execute("UPDATE blob SET trashed = trashed - interval '2 minutes'")

    swept = await Sweep(node.metadata, node.blobs, grace_seconds=60).run()

    assert swept == Swept(trashed=1)
    assert node.in_the_trash(ONE).exists()
    assert not node.at_its_place(ONE).exists()


async def test_removing_manifests_may_take_longer_than_any_answer_to_a_request(
    node: Node, database_url: str
) -> None:
    body = await node.publish(ONE)
    async with node.metadata.transaction() as conn:
        upload = await new_upload(conn, node.home)
        await put_part(conn, upload, 1, [Slice(body, 0, len(ONE))])
        await multipart_uploads.delete(conn, upload)

    async with Metadata.opened(database_url, connections=2, timeout_seconds=0.5) as metadata:
        async with node.metadata.transaction() as conn:
            await conn.execute("SELECT FROM part FOR UPDATE")
            sweeping = asyncio.create_task(Sweep(metadata, node.blobs, grace_seconds=0).run())
            await asyncio.sleep(3)
            assert not sweeping.done()
        swept = await sweeping

    assert swept.manifests == 1
    assert node.leftovers() == []


async def test_a_node_that_is_read_only_does_not_sweep(node: Node) -> None:
    stale = node.blobs.layout.staging / "left"
    stale.write_bytes(b"by a dead writer")
    node.blobs._read_only.set()

    with pytest.raises(NodeReadOnly):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).run()

    assert stale.exists()
