import asyncio
from dataclasses import replace

import pytest

from server.metadata import buckets, object_versions, settings_revision
from server.metadata.connection import Connection
from server.model.bucket import Bucket
from server.model.names import BucketName, ObjectKey
from tests.metadata.rows import content, count, is_waiting, new_bucket, new_upload


async def test_create_and_find_give_the_same_bucket(conn: Connection, home: Bucket) -> None:
    revision, found = await buckets.find(conn, home.name)

    assert found == home
    assert revision == await settings_revision.read(conn)
    assert home.created.microsecond == 0


async def test_a_bucket_that_is_not_there_still_tells_the_revision(conn: Connection) -> None:
    found = await buckets.find(conn, BucketName("nowhere"))

    assert found == (await settings_revision.read(conn), None)


async def test_a_name_is_given_once_among_all_accounts(conn: Connection, home: Bucket) -> None:
    before = await settings_revision.read(conn)

    again = await buckets.create(conn, home.name, account_id=home.account_id, region="eu-central-1")

    assert again is None
    assert await settings_revision.read(conn) == before


async def test_an_account_that_is_gone_gets_no_bucket(conn: Connection) -> None:
    created = await buckets.create(
        conn, BucketName("homeless"), account_id=2**40, region="us-east-1"
    )

    assert created is None
    assert (await buckets.find(conn, BucketName("homeless")))[1] is None


async def test_creating_and_deleting_move_the_revision(conn: Connection) -> None:
    first = await settings_revision.read(conn)
    home = await new_bucket(conn)
    second = await settings_revision.read(conn)
    await buckets.delete(conn, home)
    third = await settings_revision.read(conn)

    assert first < second < third
    assert await buckets.find(conn, home.name) == (third, None)


async def test_a_bucket_that_holds_an_object_is_not_deleted(conn: Connection, home: Bucket) -> None:
    await object_versions.put(conn, home.id, ObjectKey("k"), content(b"x"))
    before = await settings_revision.read(conn)

    async with conn.transaction():
        assert not await buckets.delete(conn, home)

    assert await buckets.find(conn, home.name) == (before, home)


async def test_uploads_in_progress_go_with_their_bucket(conn: Connection, home: Bucket) -> None:
    await new_upload(conn, home)

    async with conn.transaction():
        assert await buckets.delete(conn, home)

    assert await count(conn, "multipart_upload") == 0
    assert await count(conn, "released_manifest") == 1


async def test_a_delete_waits_for_writers_and_sees_what_they_wrote(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    async def delete() -> bool:
        async with other.transaction():
            return await buckets.delete(other, home)

    async with conn.transaction():
        revision = await settings_revision.read(conn)
        await settings_revision.hold(conn, revision, [home.id])
        deleting = asyncio.create_task(delete())
        waited = await is_waiting(deleting)
        await object_versions.put(conn, home.id, ObjectKey("k"), content(b"x"))

    assert waited
    assert await deleting is False


async def test_a_writer_waits_for_a_delete_and_then_holds_nothing(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    revision = await settings_revision.read(conn)
    async with conn.transaction():
        deleted = await buckets.delete(conn, home)
        put = object_versions.Put(home.id, ObjectKey("k"), content(b"x"), None, revision)
        writing = asyncio.create_task(object_versions.put_all(other, [put]))
        waited = await is_waiting(writing)

    assert (deleted, waited) == (True, True)
    assert await writing == [False]
    assert await count(conn, "object_version") == 0


async def test_writers_of_other_buckets_do_not_wait_for_a_delete(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    elsewhere = await new_bucket(conn, "elsewhere")
    revision = await settings_revision.read(conn)
    async with conn.transaction():
        await buckets.delete(conn, home)

        assert await settings_revision.hold(other, revision, [elsewhere.id])


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        pytest.param({}, ["a", "a-b", "b", "ba"], id="all"),
        pytest.param({"limit": 2}, ["a", "a-b"], id="limit"),
        pytest.param({"after": "a-b"}, ["b", "ba"], id="after"),
        pytest.param({"prefix": "b", "end": "c"}, ["b", "ba"], id="prefix"),
        pytest.param({"prefix": "b", "end": "c", "after": "b"}, ["ba"], id="prefix and after"),
        pytest.param({"region": "us-east-1"}, ["a", "a-b", "b", "ba"], id="region"),
        pytest.param({"region": "eu-west-1"}, [], id="another region"),
    ],
)
async def test_page_lists_the_buckets_of_an_account_by_name(
    conn: Connection, wanted: dict[str, str | int], names: list[str]
) -> None:
    home = await new_bucket(conn, "b")
    for name in ("ba", "a-b", "a"):
        await buckets.create(conn, BucketName(name), account_id=home.account_id, region="us-east-1")
    await new_bucket(conn, "not-ours")
    nothing = {"after": "", "prefix": "", "end": None, "region": None, "limit": 100}

    page = await buckets.page(conn, account_id=home.account_id, **{**nothing, **wanted})  # type: ignore[arg-type]

    assert [bucket.name for bucket in page] == names


async def test_a_bucket_created_again_is_another_one(conn: Connection, home: Bucket) -> None:
    """So a decision about the first does not hold for the second."""
    await buckets.delete(conn, home)

    again = await buckets.create(conn, home.name, account_id=home.account_id, region=home.region)

    assert again is not None
    assert again.id != home.id
    assert replace(again, id=home.id, created=home.created) == home
