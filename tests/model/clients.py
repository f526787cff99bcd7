"""Concurrent clients of a few keys, who write down what they asked and when, and what they saw."""

import asyncio
import contextlib
import random
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from math import inf
from urllib.parse import unquote

from tests.concurrency.bodies import LARGE, SMALL, etag_of, number_of, numbered
from tests.fix_s3 import S3Client
from tests.model.register import Event
from tests.wire import Answer

# What a client meets whose worker was killed.
GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
_LISTED = re.compile(r"<Key>(.*?)</Key>.*?<ETag>(?:&quot;|\")(.*?)(?:&quot;|\")</ETag>", re.DOTALL)


def body_of(number: int) -> bytes:
    """Return the body of that number: most are kept in their row, every third in a file."""
    return numbered(number, SMALL if number % 3 else LARGE)


class History:
    """What all clients saw, by key."""

    def __init__(self, bucket: str, keys: Sequence[str]) -> None:
        self.bucket = bucket
        self.keys = keys
        self.events: dict[str, list[Event]] = defaultdict(list)
        self._numbers = iter(range(1, 10_000_000))
        self._numbers_by_etag: dict[str, int] = {}

    def new_body(self) -> tuple[int, bytes]:
        """Return a number that nobody has written yet, and its body."""
        number = next(self._numbers)
        body = body_of(number)
        self._numbers_by_etag[etag_of(body)] = number
        return number, body

    def listed(self, page: Answer) -> Mapping[str, int]:
        """Return the number that each key of a listing holds."""
        return {
            unquote(key): self._numbers_by_etag[etag]
            for key, etag in _LISTED.findall(page.body.decode())
        }

    @property
    def unanswered(self) -> int:
        """The writes of which nobody knows whether they happened."""
        return sum(not event.must_happen for events in self.events.values() for event in events)


class Client:
    """One client: it does one thing after another, chosen by its own dice."""

    def __init__(self, s3: S3Client, history: History, seed: int) -> None:
        self._s3 = s3
        self._history = history
        self._random = random.Random(seed)
        self._seen: dict[str, int] = {}  # what If-Match asks for

    async def run(self, turns: int) -> None:
        """Take so many turns, on connections that last as long as their workers."""
        while turns:
            with contextlib.suppress(*GONE):
                async with self._s3.connected() as wire:
                    while turns:
                        turns -= 1
                        await self._turn(self._s3.on(wire))
            await asyncio.sleep(0.02)

    async def _turn(self, s3: S3Client) -> None:
        key = self._random.choice(self._history.keys)
        actions = [self._get, self._put, self._create, self._replace, self._delete, self._list]
        (action,) = self._random.choices(actions, weights=[8, 4, 3, 3, 2, 2])
        await action(s3, key)

    async def _get(self, s3: S3Client, key: str) -> None:
        began = time.monotonic()
        answer = await s3.get(self._path(key))
        ended = time.monotonic()
        if answer.status == 503:
            return
        found = None
        if answer.status == 200:
            found = self._seen[key] = number_of(answer.body)
            assert answer.etag == etag_of(answer.body)
        else:
            assert answer.refusal == (404, "NoSuchKey"), answer.body
        event = Event(f"GetObject: {found}", began, ended, equals=found)
        self._history.events[key].append(event)

    async def _list(self, s3: S3Client, _: str) -> None:
        """A listing is a read of every key, and of all at one moment."""
        began = time.monotonic()
        answer = await s3.get(f"/{self._history.bucket}?list-type=2&encoding-type=url")
        ended = time.monotonic()
        if answer.status == 503:
            return
        assert answer.status == 200, answer.body
        listed = self._history.listed(answer)
        for each in self._history.keys:
            found = listed.get(each)
            event = Event(f"ListObjectsV2: {found}", began, ended, equals=found)
            self._history.events[each].append(event)

    async def _put(self, s3: S3Client, key: str) -> None:
        number, body = self._history.new_body()
        done = Event(f"PutObject {number}", 0, inf, becomes=number)
        await self._write(key, s3.put(self._path(key), body=body), done, {})

    async def _create(self, s3: S3Client, key: str) -> None:
        number, body = self._history.new_body()
        name = f"PutObject {number}, If-None-Match: *"
        request = s3.put(self._path(key), body=body, headers={"If-None-Match": "*"})
        done = Event(name, 0, inf, equals=None, becomes=number)
        refusals = {412: Event(name, 0, inf, differs=frozenset({None}))}
        await self._write(key, request, done, refusals)

    async def _replace(self, s3: S3Client, key: str) -> None:
        old = self._seen.get(key)
        if old is None:
            return await self._get(s3, key)
        number, body = self._history.new_body()
        name = f"PutObject {number}, If-Match: {old}"
        said = {"If-Match": f'"{etag_of(body_of(old))}"'}
        request = s3.put(self._path(key), body=body, headers=said)
        done = Event(name, 0, inf, equals=old, becomes=number)
        refusals = {
            412: Event(name, 0, inf, differs=frozenset({None, old})),
            404: Event(name, 0, inf, equals=None),
        }
        await self._write(key, request, done, refusals)

    async def _delete(self, s3: S3Client, key: str) -> None:
        done = Event("DeleteObject", 0, inf, becomes=None)
        await self._write(key, s3.delete(self._path(key)), done, {})

    async def _write(
        self, key: str, request: Awaitable[Answer], done: Event, refusals: Mapping[int, Event]
    ) -> None:
        """Send the request and note what happened.

        done: what the write does to the key. refusals: what the key was where it is refused.
        """
        events, began = self._history.events[key], time.monotonic()
        try:
            answer = await request
        except GONE:
            events.append(replace(done, name=f"{done.name}: no answer", began=began))
            raise
        event = refusals.get(answer.status, done)
        name = f"{event.name}: {answer.status}"
        if answer.status == 503:  # whether it happened nobody knows
            events.append(replace(done, name=name, began=began))
            return
        assert answer.status in (200, 204, *refusals), answer.body
        events.append(replace(event, name=name, began=began, ended=time.monotonic()))

    def _path(self, key: str) -> str:
        return f"/{self._history.bucket}/{key}"
