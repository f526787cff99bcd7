"""Writes whose client was told 503 and went on, and what comes of them later."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from structlog.testing import capture_logs

from server.metadata import settings_revision
from server.metadata.connection import Connection, connect
from server.metadata.errors import MetadataUnavailable
from server.metadata.fence import Fence
from server.metadata.store import Metadata
from server.model.bucket import Bucket
from server.model.names import ObjectKey
from tests.metadata.rows import Decision, content, new_bucket
from tests.metadata.wire import Wire, until_answered

KEY = ObjectKey("key")

Write = Callable[[Metadata, Bucket, Decision], Awaitable[None]]


@pytest.fixture
def metadata(behind_wire: Metadata) -> Metadata:
    return behind_wire


@pytest.fixture
def fence(database_url: str) -> Fence:
    return Fence(partial(connect, database_url))


async def put_old(metadata: Metadata, home: Bucket, allowed: Decision) -> None:
    await metadata.put(home.id, KEY, content(b"old"), allowed)


async def delete(metadata: Metadata, home: Bucket, allowed: Decision) -> None:
    await metadata.delete(home.id, KEY, allowed)


async def put_new(metadata: Metadata, home: Bucket) -> None:
    """Write as a client does that goes on after its 503."""
    await metadata.put(
        home.id, KEY, content(b"new"), Decision(metadata, metadata.settings.revision)
    )


async def is_new(metadata: Metadata, home: Bucket) -> bool:
    found = await metadata.current(home.id, KEY, Decision(metadata, metadata.settings.revision))
    return found is not None and found.content == content(b"new")


async def until_read(wire: Wire) -> None:
    """Let what was held back be said, and PostgreSQL have the time to carry it out."""
    wire.speak()
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("write", [put_old, delete])
async def test_what_an_outage_cut_off_takes_no_effect_after_it(
    conn: Connection, metadata: Metadata, wire: Wire, write: Write
) -> None:
    home = await new_bucket(conn)
    await metadata.settings.refresh()
    allowed = Decision(metadata, metadata.settings.revision)
    await write(metadata, home, allowed)  # so that there is a connection
    wire.fall_silent()
    with pytest.raises(MetadataUnavailable):
        await write(metadata, home, allowed)
    wire.let_new_ones_speak()
    await until_answered(metadata)

    await put_new(metadata, home)
    await until_read(wire)

    assert await is_new(metadata, home)


@pytest.mark.parametrize("write", [put_old, delete])
async def test_what_was_given_up_takes_no_effect_after_what_another_worker_writes(
    conn: Connection, database_url: str, wire: Wire, wire_url: str, write: Write
) -> None:
    home = await new_bucket(conn)
    async with (
        Metadata.opened(wire_url, connections=1, timeout_seconds=0.5) as metadata,
        Metadata.opened(database_url, connections=1, timeout_seconds=10) as other,
    ):
        await metadata.settings.refresh()
        allowed = Decision(metadata, metadata.settings.revision)
        await write(metadata, home, allowed)
        wire.fall_silent()
        wire.let_new_ones_speak()
        with pytest.raises(MetadataUnavailable):
            await write(metadata, home, allowed)

        await other.settings.refresh()
        await put_new(other, home)
        await until_read(wire)

        assert await is_new(other, home)


async def test_it_waits_for_what_is_under_way(
    conn: Connection, other: Connection, fence: Fence
) -> None:
    home = await new_bucket(conn)
    before = await settings_revision.read(conn)
    fence.need([home.id])

    async with other.transaction():
        assert await settings_revision.hold(other, before, [home.id])
        raised = asyncio.create_task(fence.raised())
        await asyncio.sleep(0.3)
        assert not raised.done()

    assert await raised
    assert not fence.is_needed
    assert await settings_revision.read(conn) == before + 1


async def test_one_that_stands_still_does_not_keep_others_from_being_refused(
    conn: Connection, other: Connection, fence: Fence
) -> None:
    home = await new_bucket(conn)
    before = await settings_revision.read(conn)
    fence.need([home.id])

    async with other.transaction():
        assert await settings_revision.hold(other, before, [home.id])

        assert await fence.raised()

    assert await settings_revision.read(conn) == before + 1


async def test_it_is_raised_later_where_postgresql_cannot_be_reached(database_url: str) -> None:
    urls = iter(["host=/nowhere", database_url])
    fence = Fence(lambda: connect(next(urls)))
    fence.need([1])

    assert not await fence.raised()
    assert fence.is_needed
    assert await fence.raised()
    assert not fence.is_needed


async def test_where_it_can_never_be_raised_the_server_goes_on(
    conn: Connection, fence: Fence
) -> None:
    """As where somebody took the rights of the role away: no outage lasts for ever by that."""
    await conn.execute("ALTER TABLE settings_revision RENAME TO elsewhere")
    fence.need([1])

    with capture_logs() as logged:
        raised = await fence.raised()
    await conn.execute("ALTER TABLE elsewhere RENAME TO settings_revision")

    assert raised
    assert not fence.is_needed
    assert [each["event"] for each in logged] == ["writes that were given up cannot be refused"]


async def test_it_is_needed_for_what_is_given_up_meanwhile(
    conn: Connection, other: Connection, fence: Fence
) -> None:
    home = await new_bucket(conn)
    fence.need([home.id])
    async with other.transaction():
        assert await settings_revision.hold(other, await settings_revision.read(conn), [home.id])
        raised = asyncio.create_task(fence.raised())
        await asyncio.sleep(0.3)
        fence.need([home.id + 1])

    assert not await raised
    assert fence.is_needed


async def test_it_is_not_raised_where_nothing_was_given_up() -> None:
    assert await Fence(partial(connect, "host=/nowhere")).raised()
