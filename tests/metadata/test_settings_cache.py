import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from server.metadata import settings_cache
from server.metadata.connection import Connection
from server.metadata.settings_cache import SettingsCache
from server.metadata.store import Metadata
from server.model.bucket import AccessKey, Bucket
from server.model.names import AccessKeyId, BucketName
from tests.metadata.rows import is_waiting, new_bucket

HOME = BucketName("home")


class Database:
    """Buckets by name, and the revision; a gate holds answers back after they were read."""

    def __init__(self) -> None:
        self.revision = 1
        self.rows: dict[BucketName, Bucket] = {}
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._ids: Iterator[int] = count()
        self.cache = SettingsCache(self._no_key, self._bucket, self._read_revision)

    def change(self, name: BucketName) -> None:
        self.rows[name] = Bucket(next(self._ids), name, 1, "us-east-1", None)  # type: ignore[arg-type]
        self.revision += 1

    async def _bucket(self, name: BucketName) -> tuple[int, Bucket | None]:
        self.loads += 1
        read = self.revision, self.rows.get(name)
        await self.gate.wait()
        return read

    async def _no_key(self, _: AccessKeyId) -> tuple[int, AccessKey | None]:
        return self.revision, None

    async def _read_revision(self) -> int:
        return self.revision


@pytest.fixture
async def database() -> Database:
    database = Database()
    database.change(HOME)
    await database.cache.refresh()
    return database


async def test_a_row_is_loaded_once(database: Database) -> None:
    first = await database.cache.bucket(HOME)
    second = await database.cache.bucket(HOME)

    assert first is second is database.rows[HOME]
    assert database.loads == 1


async def test_that_there_is_no_such_row_is_remembered_too(database: Database) -> None:
    nowhere = BucketName("nowhere")

    assert [await database.cache.bucket(nowhere) for _ in range(3)] == [None] * 3
    assert database.loads == 1


async def test_who_asks_while_a_row_is_loaded_waits_for_the_same_answer(
    database: Database,
) -> None:
    found = await asyncio.gather(*(database.cache.bucket(HOME) for _ in range(5)))

    assert found == [database.rows[HOME]] * 5
    assert database.loads == 1


async def test_refresh_forgets_what_has_changed(database: Database) -> None:
    await database.cache.bucket(HOME)
    database.change(HOME)

    await database.cache.refresh()

    assert await database.cache.bucket(HOME) is database.rows[HOME]


async def test_refresh_forgets_nothing_where_nothing_has_changed(database: Database) -> None:
    await database.cache.bucket(HOME)

    await database.cache.refresh()

    await database.cache.bucket(HOME)
    assert database.loads == 1


async def test_an_older_revision_is_no_news(database: Database) -> None:
    await database.cache.bucket(HOME)

    database.cache.observe(database.revision - 1)

    assert database.cache.revision == database.revision
    await database.cache.bucket(HOME)
    assert database.loads == 1


async def test_a_load_that_shows_a_newer_revision_empties_the_cache(database: Database) -> None:
    old = await database.cache.bucket(HOME)
    database.change(HOME)

    await database.cache.bucket(BucketName("another"))

    assert await database.cache.bucket(HOME) is not old
    assert database.cache.revision == database.revision


async def test_a_row_that_was_read_before_a_change_is_not_remembered_after_it(
    database: Database,
) -> None:
    """Also not by who asks after the change was seen, while the old answer is still on its way."""
    database.gate.clear()
    on_its_way = asyncio.create_task(database.cache.bucket(HOME))
    await is_waiting(on_its_way)
    database.change(HOME)
    await database.cache.refresh()
    after = asyncio.create_task(database.cache.bucket(HOME))
    await is_waiting(after)
    database.gate.set()

    assert await after is database.rows[HOME]
    await on_its_way
    assert await database.cache.bucket(HOME) is database.rows[HOME]


async def test_one_impatient_client_does_not_cancel_the_load_of_the_others(
    database: Database,
) -> None:
    database.gate.clear()
    impatient = asyncio.create_task(database.cache.bucket(HOME))
    patient = asyncio.create_task(database.cache.bucket(HOME))
    await is_waiting(patient)
    impatient.cancel()
    database.gate.set()

    assert await patient is database.rows[HOME]
    assert database.loads == 1


async def test_the_least_recently_used_goes_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_cache, "LARGEST", 2)
    for name in ("home", "second", "home", "third", "home"):
        await database.cache.bucket(BucketName(name))
    assert database.loads == 3

    await database.cache.bucket(BucketName("second"))

    assert database.loads == 4


async def test_the_cache_of_a_worker_sees_a_bucket_that_another_one_made(
    metadata: Metadata, conn: Connection
) -> None:
    before = await metadata.settings.bucket(BucketName("bucket"))
    made = await new_bucket(conn)
    stale = await metadata.settings.bucket(BucketName("bucket"))

    await metadata.settings.refresh()

    assert (before, stale) == (None, None)
    assert await metadata.settings.bucket(BucketName("bucket")) == made
