"""What a worker remembers of access keys and buckets, and how it never answers from a stale copy.

Everything in the cache was read at one settings revision. Reads of objects return the revision of
their snapshot and writes check it, so a worker whose cache is behind notices before it answers.
"""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from server.model.bucket import AccessKey, Bucket
from server.model.names import AccessKeyId, BucketName

Name = TypeVar("Name", bound=Hashable)
Row = TypeVar("Row")

# Entries of each kind that a worker keeps; the least recently used go first.
LARGEST: Final = 10_000


class SettingsCache:
    """The access keys and buckets of one revision.

    load_key, load_bucket: return the revision and the row, or None, of one snapshot.
    read_revision: returns the revision committed now.
    """

    def __init__(
        self,
        load_key: Callable[[AccessKeyId], Awaitable[tuple[int, AccessKey | None]]],
        load_bucket: Callable[[BucketName], Awaitable[tuple[int, Bucket | None]]],
        read_revision: Callable[[], Awaitable[int]],
    ) -> None:
        self.revision = 0
        self._keys = _Remembered(load_key, self)
        self._buckets = _Remembered(load_bucket, self)
        self._read_revision = read_revision

    async def access_key(self, access_key_id: AccessKeyId) -> AccessKey | None:
        """Return the key, or None where there is none of that id."""
        return await self._keys.find(access_key_id)

    async def bucket(self, name: BucketName) -> Bucket | None:
        """Return the bucket, or None where there is none of that name."""
        return await self._buckets.find(name)

    async def refresh(self) -> None:
        """Forget what has changed since it was read: one round trip, shared with other requests."""
        self.observe(await self._read_revision())

    def observe(self, revision: int) -> None:
        """Take note of a revision that a snapshot showed; a newer one empties the cache."""
        if revision > self.revision:
            self.revision = revision
            self._keys.forget()
            self._buckets.forget()


class _Remembered(Generic[Name, Row]):
    """Rows of one kind by name; names that have no row are remembered, too."""

    def __init__(
        self, load: Callable[[Name], Awaitable[tuple[int, Row | None]]], cache: SettingsCache
    ) -> None:
        self._load = load
        self._cache = cache
        self._rows: OrderedDict[Name, Row | None] = OrderedDict()
        self._loading: dict[Name, asyncio.Task[Row | None]] = {}

    async def find(self, name: Name) -> Row | None:
        if name in self._rows:
            self._rows.move_to_end(name)
            return self._rows[name]
        loading = self._loading.get(name)
        if loading is None:
            # Whoever else asks for the name meanwhile waits for the same round trip.
            loading = self._loading[name] = asyncio.create_task(self._read(name))
            loading.add_done_callback(functools.partial(self._loaded, name))
        return await asyncio.shield(loading)

    def forget(self) -> None:
        self._rows.clear()
        # A row on its way was perhaps read before the change: who asks from now on reads anew.
        self._loading.clear()

    def _loaded(self, name: Name, loading: asyncio.Task[Row | None]) -> None:
        if self._loading.get(name) is loading:
            del self._loading[name]
        if not loading.cancelled():
            loading.exception()  # seen, also where everybody who waited for it was cancelled

    async def _read(self, name: Name) -> Row | None:
        revision, row = await self._load(name)
        self._cache.observe(revision)
        if revision == self._cache.revision:
            self._rows[name] = row
            while len(self._rows) > LARGEST:
                self._rows.popitem(last=False)
        return row
