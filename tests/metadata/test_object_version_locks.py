import asyncio
from dataclasses import replace

import pytest

from server.metadata import blobs, object_versions, settings_revision
from server.metadata.connection import Connection
from server.metadata.object_versions import Find, Put
from server.metadata.store import Metadata
from server.model.blob import BlobBody, InlineBody
from server.model.bucket import Bucket
from server.model.names import ObjectKey
from tests.metadata.rows import (
    Decision,
    blob,
    content,
    count,
    is_waiting,
)

KEY = ObjectKey("a/ключ")


async def test_the_bytes_are_published_while_the_digest_is_locked_and_before_a_row_names_them(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    """D1, D3."""
    seen: list[object] = []

    async def publish() -> None:
        cursor = await other.execute("SELECT count(*) FROM object_version")
        seen.append(await cursor.fetchone())
        # The blob's row is not committed, so another writer of it waits.
        waiting = asyncio.create_task(blobs.lock_for_writing(other, [blob("x")]))
        seen.append(await is_waiting(waiting))
        waits.append(waiting)

    waits: list[asyncio.Task[None]] = []
    revision = await settings_revision.read(conn)
    said = replace(content(b"x"), body=BlobBody(blob("x")))

    await object_versions.put_all(conn, [Put(home.id, KEY, said, publish, revision)])

    await asyncio.gather(*waits)
    assert seen == [(0,), True]
    assert await count(conn, "object_version") == 1


async def test_a_publish_that_fails_fails_its_own_write_after_the_others_have_ended(
    conn: Connection, metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    """A publish that went on after the transaction would rename a file whose digest is unlocked."""
    under_way = 0
    most = 0

    async def slow() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1)
        under_way -= 1

    async def broken() -> None:
        raise OSError("the disk is on fire")

    revision = await settings_revision.read(conn)
    asked = [
        Put(
            home.id,
            ObjectKey(name),
            replace(content(b"x"), body=BlobBody(blob(name))),
            how,
            revision,
        )
        for name, how in (("slow", slow), ("broken", broken))
    ]

    with pytest.raises(OSError, match="on fire"):
        await object_versions.put_all(conn, asked)

    assert (under_way, most) == (0, 1)
    assert await count(conn, "blob") == 0


async def test_put_new_leaves_what_is_there(conn: Connection, home: Bucket) -> None:
    first = await object_versions.put_new(conn, home.id, KEY, content(b"first"))
    second = await object_versions.put_new(conn, home.id, KEY, content(b"second"))

    (found,) = await object_versions.find(conn, [Find(home.id, KEY, with_body=True)])
    assert first is not None
    assert second is None
    assert found.version is not None
    assert found.version.content.body == InlineBody(b"first")


async def test_of_two_first_writers_that_meet_one_is_told_so(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    """They meet at the unique index: neither found a row to lock."""
    async with conn.transaction():
        await object_versions.put_new(conn, home.id, KEY, content(b"first"))
        second = asyncio.create_task(
            object_versions.put_new(other, home.id, KEY, content(b"second"))
        )
        waited = await is_waiting(second)

    assert waited
    assert await second is None


async def test_lock_current_keeps_other_writers_away(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    await object_versions.put(conn, home.id, KEY, content(b"first"))
    async with conn.transaction():
        locked = await object_versions.lock_current(conn, home.id, KEY)
        second = asyncio.create_task(object_versions.put(other, home.id, KEY, content(b"second")))
        waited = await is_waiting(second)

    await second
    assert waited
    assert locked is not None
    assert locked.content == content(b"first")
    assert await object_versions.lock_current(conn, home.id, ObjectKey("nothing")) is None


async def test_writers_of_many_keys_and_deleters_do_not_deadlock(
    metadata: Metadata, home: Bucket, allowed: Decision, conn: Connection
) -> None:
    """Keys in which "C" and the collations of languages differ: all must lock in one order."""
    keys = [ObjectKey(key) for key in ("a", "B", "_c", "ä", "Z", "-", "é", "A", "b", "z")]

    async def overwrite(turn: int) -> None:
        order = keys if turn % 2 else keys[::-1]
        await asyncio.gather(
            *(metadata.put(home.id, key, content(b"%d" % turn), allowed) for key in order),
            *(metadata.delete(home.id, key, allowed) for key in order),
        )

    await asyncio.gather(*(overwrite(turn) for turn in range(40)))

    row = await (
        await conn.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
    ).fetchone()
    assert row == (0,)
