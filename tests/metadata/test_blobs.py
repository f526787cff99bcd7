"""Table blob as `s3d check` and `s3d blob` read it."""

from dataclasses import replace

import pytest

from server.metadata import blobs, scrubs
from server.metadata.connection import Connection, connect
from server.model.blob import Slice
from server.model.bucket import Bucket
from tests.metadata.rows import blob, complete, new_upload, put_blob, put_part

ALL = sorted((blob(str(number)) for number in range(5)), key=lambda each: each.digest)


@pytest.fixture
async def stored(conn: Connection, home: Bucket) -> None:
    for each in ALL:
        await put_blob(conn, home, each.digest.hex(), each)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_pages_hold_every_blob_once_in_order(conn: Connection, limit: int) -> None:
    found, after = [], b""
    while page := await blobs.page(conn, after=after, limit=limit, with_crcs=True):
        assert len(page) <= limit
        found += [record.blob for record in page]
        after = page[-1].blob.digest

    assert found == ALL


@pytest.mark.usefixtures("stored")
async def test_a_page_leaves_the_crcs_out_for_who_does_not_need_them(conn: Connection) -> None:
    page = await blobs.page(conn, after=b"", limit=5, with_crcs=False)

    assert [record.blob.block_crcs for record in page] == [b""] * 5


@pytest.mark.usefixtures("stored")
async def test_known_are_those_with_a_row(conn: Connection) -> None:
    unknown = blob("unknown").digest

    assert await blobs.known(conn, [ALL[0].digest, unknown]) == {ALL[0].digest}
    assert await blobs.find(conn, unknown) is None


@pytest.mark.usefixtures("stored")
async def test_totals_count_all_and_the_bytes_of_those_that_live(conn: Connection) -> None:
    await conn.execute("UPDATE blob SET trashed = now() WHERE digest = %s", [ALL[0].digest])

    assert await blobs.totals(conn) == (5, 4 * ALL[0].size)


async def test_who_holds_a_living_blob_keeps_no_writer_of_the_same_bytes_waiting(
    conn: Connection, home: Bucket, database_url: str
) -> None:
    await put_blob(conn, home, "one", ALL[0])
    async with (
        await connect(database_url, timeout_seconds=10) as writer,
        conn.transaction(),
        writer.transaction(),
    ):
        held = await blobs.hold_living(conn, [ALL[0].digest])
        await blobs.lock_for_writing(writer, [ALL[0]])

    assert held == [ALL[0].digest]


async def test_named_by_are_the_objects_of_the_blob_and_of_its_slices(
    conn: Connection, home: Bucket
) -> None:
    one, two = ALL[:2]
    await put_blob(conn, home, "whole", one)
    await put_blob(conn, home, "another", two)
    upload = await new_upload(conn, home, "parts")
    await put_part(conn, upload, 1, [Slice(one, 0, 2), Slice(two, 0, 2), Slice(one, 1, 2)])
    await complete(conn, home, upload, 6)

    assert await blobs.named_by(conn, one.digest, limit=10) == [
        (home.name, "parts"),
        (home.name, "whole"),
    ]
    assert await blobs.named_by(conn, one.digest, limit=1) == [(home.name, "parts")]


async def test_a_write_takes_back_that_the_blob_is_rotten_and_leaves_when_it_was_seen_whole(
    conn: Connection, home: Bucket
) -> None:
    """Its file takes the place of the rotten one."""
    await put_blob(conn, home, "k", ALL[0])
    await scrubs.seen_whole(conn, [ALL[0].digest])
    await scrubs.seen_rotten(conn, [ALL[0].digest])
    before = await blobs.find(conn, ALL[0].digest)

    await put_blob(conn, home, "l", ALL[0])

    assert before is not None
    assert before.rotten is not None
    assert before.seen_whole is not None
    assert await blobs.find(conn, ALL[0].digest) == replace(before, rotten=None)
