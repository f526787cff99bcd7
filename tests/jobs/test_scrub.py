"""The scrub: what it reads, in which order, at which pace, and what it says of rotten blobs."""

import asyncio
from typing import Any

import pytest

from server.blobs.errors import NodeReadOnly
from server.blobs.store import BlobStore
from server.jobs.scrub import Pace
from server.metadata.connection import Connection
from server.metadata.store import Metadata
from server.model.blob import BLOCK_BYTES
from tests.blobs.bodies import digest_of, random_bytes
from tests.jobs.node import Node
from tests.jobs.scrubbing import ONE, THREE, TWO, Logged, rot, scrub_of, seen


async def until_seen(conn: Connection, data: bytes) -> None:
    async with asyncio.timeout(20):
        while (await seen(conn))[digest_of(data)] != "whole":  # noqa: ASYNC110 - a row tells nobody
            await asyncio.sleep(0.05)


async def make_old(conn: Connection, data: bytes, days: float) -> None:
    await conn.execute(
        "UPDATE blob SET seen_whole = now() - %s * interval '1 day' WHERE digest = %s",
        [days, digest_of(data)],
    )


async def test_every_blob_is_read_and_noted_as_whole(node: Node, conn: Connection) -> None:
    for body in (ONE, TWO, THREE):
        await node.put(str(len(body)), body)

    noted = await scrub_of(node).run()

    assert noted == 3
    assert set((await seen(conn)).values()) == {"whole"}


async def test_a_blob_that_was_seen_lately_is_not_read(node: Node, conn: Connection) -> None:
    await node.put("one", ONE)
    await node.put("two", TWO)
    await make_old(conn, ONE, days=0.9)
    await make_old(conn, TWO, days=1.1)
    rot(node, ONE)
    rot(node, TWO)

    noted = await scrub_of(node).run()

    assert noted == 1
    assert await seen(conn) == {digest_of(ONE): "whole", digest_of(TWO): "rotten, once whole"}


async def test_what_was_not_seen_for_the_longest_comes_first(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in (ONE, TWO, THREE):
        await node.put(str(len(body)), body)
    await make_old(conn, ONE, days=5)
    await make_old(conn, TWO, days=9)
    monkeypatch.setattr("server.jobs.scrub._BATCH", 1)
    read = []
    read_whole = node.blobs.read_whole

    async def watch(blob: Any, wait: Any) -> bool:
        read.append(blob.digest)
        return await read_whole(blob, wait)

    monkeypatch.setattr(node.blobs, "read_whole", watch)
    scrub = scrub_of(node)
    noted = [await scrub.run() for _ in range(4)]

    assert noted == [1, 1, 1, 0]
    assert read == [digest_of(THREE), digest_of(TWO), digest_of(ONE)]


async def test_a_rotten_blob_is_said_and_noted_and_stays(
    node: Node, conn: Connection, logged: Logged
) -> None:
    await node.put("k", THREE)
    rot(node, THREE)

    await scrub_of(node).run()

    [event] = logged
    assert (event["log_level"], event["event"]) == ("error", "a blob is rotten")
    assert event["digest"] == digest_of(THREE).hex()
    assert event["reason"] == "the CRC64NVME of block 1 is another"
    assert await seen(conn) == {digest_of(THREE): "rotten"}
    assert node.at_its_place(THREE).exists()


async def test_a_rotten_blob_is_not_read_all_the_time(
    node: Node, conn: Connection, logged: Logged
) -> None:
    await node.put("k", ONE)
    rot(node, ONE)
    scrub = scrub_of(node, every_seconds=0)
    await scrub.run()

    assert await scrub.run() == 0
    assert len(logged) == 1


async def test_a_rotten_blob_is_spoken_of_again_and_again(
    node: Node, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.scrub._ROTTEN_SECONDS", 0.0)
    await node.put("k", ONE)
    rot(node, ONE)
    scrub = scrub_of(node)

    for _ in range(3):
        await scrub.run()

    assert [event["event"] for event in logged] == ["a blob is rotten"] * 3


async def test_a_blob_that_is_written_again_is_whole_again(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.scrub._ROTTEN_SECONDS", 0.0)
    await node.put("k", ONE)
    rot(node, ONE)
    scrub = scrub_of(node)
    await scrub.run()
    await node.put("again", ONE)

    await scrub.run()

    assert await seen(conn) == {digest_of(ONE): "whole"}


async def test_rotten_blobs_and_others_are_read_by_turns(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn ends after a while: many rotten ones must not keep the others from being read."""
    monkeypatch.setattr("server.jobs.scrub._BATCH", 2)
    monkeypatch.setattr("server.jobs.scrub._ROTTEN_SECONDS", 0.0)
    rotten, fine = [random_bytes(1000 + n) for n in range(3)], [ONE, TWO]
    for body in rotten:
        await node.put(str(len(body)), body)
        rot(node, body)
    scrub = scrub_of(node)
    await scrub.run()
    await scrub.run()
    for body in fine:
        await node.put(str(len(body)), body)
    read, read_whole = [], node.blobs.read_whole

    async def watch(blob: Any, wait: Any) -> bool:
        read.append(blob.digest in map(digest_of, fine))
        return await read_whole(blob, wait)

    monkeypatch.setattr(node.blobs, "read_whole", watch)

    await scrub.run()

    assert read == [True, False, True, False]


async def test_a_lost_blob_is_said_and_noted(node: Node, conn: Connection, logged: Logged) -> None:
    await node.put("k", ONE)
    node.at_its_place(ONE).unlink()

    await scrub_of(node).run()

    assert [event["reason"] for event in logged] == ["it has no file"]
    assert await seen(conn) == {digest_of(ONE): "rotten"}


async def test_a_blob_that_is_swept_meanwhile_is_not_lost(
    node: Node, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("k", ONE)
    read_whole = node.blobs.read_whole

    async def sweep_first(*arguments: Any) -> bool:
        await node.delete("k")
        await node.sweep()
        return await read_whole(*arguments)

    monkeypatch.setattr(node.blobs, "read_whole", sweep_first)

    await scrub_of(node).run()

    assert logged == []


async def test_a_blob_that_is_swept_and_written_again_meanwhile_is_not_lost(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("k", ONE)
    read_whole = node.blobs.read_whole

    async def read_between(*arguments: Any) -> bool:
        monkeypatch.setattr(node.blobs, "read_whole", read_whole)
        await node.delete("k")
        await node.sweep()
        is_there = await read_whole(*arguments)
        await node.put("k", ONE)
        return is_there

    monkeypatch.setattr(node.blobs, "read_whole", read_between)

    await scrub_of(node).run()

    assert logged == []
    assert await seen(conn) == {digest_of(ONE): "whole"}


async def test_what_waits_in_the_trash_is_not_read(node: Node, conn: Connection) -> None:
    await node.put("k", ONE)
    await node.delete("k")
    await node.sweep(grace_seconds=60)

    assert await scrub_of(node).run() == 0
    assert await seen(conn) == {digest_of(ONE): "never"}


async def test_a_disk_that_cannot_read_a_block_has_lost_it(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("k", ONE)

    def fail(*_: Any) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("server.blobs.inspection.os.pread", fail)

    await scrub_of(node).run()

    assert [event["reason"] for event in logged] == ["it cannot be read: Input/output error"]
    assert await seen(conn) == {digest_of(ONE): "rotten"}


async def test_a_blob_that_a_writer_holds_is_noted_another_time(
    node: Node, conn: Connection
) -> None:
    await node.put("k", ONE)
    async with conn.transaction():
        await conn.execute("SELECT FROM blob FOR NO KEY UPDATE")
        noted = await asyncio.wait_for(scrub_of(node).run(), 4)

    assert noted == 0
    assert await scrub_of(node).run() == 1


async def test_a_node_that_is_read_only_notes_nothing(
    node: Node, conn: Connection, store: BlobStore
) -> None:
    """After a failed fsync memory may hold what the disk does not (D6)."""
    await node.put("k", ONE)
    store._read_only.set()

    with pytest.raises(NodeReadOnly):
        await scrub_of(node).run()

    assert await seen(conn) == {digest_of(ONE): "never"}


def test_the_pace_is_bytes_per_second_and_idle_time_is_not_made_up_for() -> None:
    now = [100.0]
    pace = Pace(1000, lambda: now[0])

    waits = [pace.after(500)]
    now[0] += 0.5
    waits += [pace.after(1000)]
    now[0] += 50  # idle, or a computer that slept
    waits += [pace.after(1000), pace.after(1000)]

    assert waits == [0.5, 1.0, 1.0, 2.0]


async def test_every_byte_is_paid_for_and_so_is_every_file(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("one", ONE)
    await node.put("three", THREE)
    paid = []

    def after(_: Pace, count: int) -> float:
        paid.append(count)
        return 0

    monkeypatch.setattr(Pace, "after", after)

    await scrub_of(node).run()

    least = 64 << 10
    assert sorted(paid) == sorted([least, len(ONE), least, BLOCK_BYTES, len(THREE) - BLOCK_BYTES])


async def test_what_was_read_is_noted_while_others_are_still_read(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a restart reads little again."""
    monkeypatch.setattr("server.jobs.scrub._NOTE_SECONDS", -1.0)
    for body in (ONE, TWO):
        await node.put(str(len(body)), body)
    read_whole, noted = node.blobs.read_whole, []

    async def watch(*arguments: Any) -> bool:
        noted.append(list((await seen(conn)).values()).count("whole"))
        return await read_whole(*arguments)

    monkeypatch.setattr(node.blobs, "read_whole", watch)

    await scrub_of(node).run()

    assert noted == [0, 1]


async def test_a_turn_ends_so_that_the_lock_is_asked_for_anew(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in (ONE, TWO):
        await node.put(str(len(body)), body)
    monkeypatch.setattr("server.jobs.scrub._TURN_SECONDS", 0.0)
    scrub = scrub_of(node)

    assert await scrub.run() <= 1


async def test_the_scrub_goes_on_for_ever_and_on_one_node_at_a_time(
    node: Node, conn: Connection, elsewhere: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.scrub._LOOK_SECONDS", 0.05)
    await node.put("k", ONE)
    async with elsewhere.alone("scrub"):
        scrubbing = asyncio.create_task(scrub_of(node).run_for_ever())
        await asyncio.sleep(0.5)
        while_another_works = (await seen(conn))[digest_of(ONE)]
    try:
        await until_seen(conn, ONE)
        await node.put("l", TWO)
        await until_seen(conn, TWO)
    finally:
        scrubbing.cancel()
        await asyncio.gather(scrubbing, return_exceptions=True)

    assert while_another_works == "never"


async def test_the_scrub_goes_on_after_postgres_was_away(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.scrub._LOOK_SECONDS", 0.05)
    scrubbing = asyncio.create_task(scrub_of(node).run_for_ever())
    try:
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await node.put("k", ONE)
        await until_seen(conn, ONE)
    finally:
        scrubbing.cancel()
        await asyncio.gather(scrubbing, return_exceptions=True)
