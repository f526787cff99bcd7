"""Clients that write without rest, each to keys of its own, and read them back before each write.

Bodies say which they are. Some of them are the same for all clients: those blobs are shared, come
back while they are swept, and lose one of many references.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path

from tests.concurrency.bodies import LARGE, SMALL, number_of, numbered
from tests.crash.ledger import Entry, Ledger
from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer
from tests.operations.uploads import SentPart, Upload
from tests.wire import Answer

BUCKET = "ledger"
CLIENTS = 8
# Servers and PostgreSQL start again, PostgreSQL recovers.
RECOVERY_SECONDS = 60
# Numbers below it are bodies that every client may write.
SHARED = 4
Gone = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)


class Refused(Exception):
    """The server said that it could not; the change may have been made all the same."""


class Load:
    """The clients. unavailable: statuses that a server in trouble may answer."""

    def __init__(
        self, ledger: Path, *, seed: int, unavailable: Collection[int] = frozenset({503})
    ) -> None:
        self._ledger = Ledger(ledger)
        self._known = {key: Entry() for client in range(CLIENTS) for key in _keys_of(client)}
        self._unavailable = unavailable
        self._random = random.Random(seed)
        self._numbers = iter(range(SHARED, 10_000_000))

    @contextlib.asynccontextmanager
    async def running(self, server: RunningServer) -> AsyncIterator[None]:
        """Let the clients work until the block ends. AssertionError where one saw what is wrong."""
        clients = [
            asyncio.create_task(self._client(client_of(server), client))
            for client in range(CLIENTS)
        ]
        try:
            yield
        finally:
            for client in clients:
                client.cancel()
            outcomes = await asyncio.gather(*clients, return_exceptions=True)
            wrong = [each for each in outcomes if not isinstance(each, asyncio.CancelledError)]
            assert wrong == []

    async def until_answered(self) -> None:
        """Return once every client was answered again, as clients that try again are."""
        before = {key: entry.answers for key, entry in self._known.items()}
        async with asyncio.timeout(RECOVERY_SECONDS):
            for client in range(CLIENTS):
                while not any(  # noqa: ASYNC110 - an entry tells nobody
                    self._known[key].answers > before[key] for key in _keys_of(client)
                ):
                    await asyncio.sleep(0.02)

    async def put_one(self, s3: S3Client) -> None:
        """Store one more blob, while no client is running; it must be acknowledged."""
        key, number = _keys_of(0)[0], next(self._numbers)
        self._ask(key, number)
        await self._put(s3, f"/{BUCKET}/{key}", numbered(number, LARGE))
        self._answered(key, number)

    async def refuted(self, s3: S3Client) -> Sequence[str]:
        """Return what the server holds and the file of the ledger does not allow."""
        wrong = []
        for key, entry in self._ledger.entries().items():
            found = _found(await s3.get(f"/{BUCKET}/{key}"))
            if not entry.allows(found):
                wrong.append(f"{key} holds {found}, not {entry}")
        return wrong

    async def _client(self, s3: S3Client, client: int) -> None:
        while True:
            key = self._random.choice(_keys_of(client))
            change, number = self._next(s3, key)
            try:
                self._check(key, await self._read(s3, key))
                self._ask(key, number)
                await change()
            except (*Gone, Refused):
                await asyncio.sleep(0.05)
                continue
            self._answered(key, number)

    def _check(self, key: str, found: int | None) -> None:
        entry = self._known[key]
        assert entry.allows(found), f"{key} holds {found}, not {entry}"

    def _ask(self, key: str, number: int | None) -> None:
        self._ledger.ask(key, number)
        self._known[key].under_way.add(number)

    def _answered(self, key: str, number: int | None) -> None:
        self._ledger.answered(key, number)
        entry = self._known[key]
        entry.acknowledged, entry.under_way = number, set()
        entry.answers += 1

    def _next(self, s3: S3Client, key: str) -> tuple[Callable[[], Awaitable[None]], int | None]:
        """Return what the client does now, and the number that the key holds then."""
        path, dice = f"/{BUCKET}/{key}", self._random.random()
        if dice < 0.1:
            return (lambda: self._delete(s3, path)), None
        source = _twin(key)
        if dice < 0.2 and self._known[source].certain:
            copied = self._known[source].acknowledged
            if copied is not None:
                return (lambda: self._copy(s3, path, source)), copied
        shares = self._random.random() < 0.2
        number = self._random.randrange(SHARED) if shares else next(self._numbers)
        if dice < 0.35:
            return (lambda: self._upload(s3, path, number)), number
        # A shared number is a large body, so that its blob is shared.
        body = numbered(number, SMALL if number % 2 and number >= SHARED else LARGE)
        return (lambda: self._put(s3, path, body)), number

    async def _read(self, s3: S3Client, key: str) -> int | None:
        answer = await s3.get(f"/{BUCKET}/{key}")
        if answer.status in self._unavailable:
            raise Refused
        return _found(answer)

    async def _put(self, s3: S3Client, path: str, body: bytes) -> None:
        self._done(await s3.put(path, body=body), 200)

    async def _delete(self, s3: S3Client, path: str) -> None:
        self._done(await s3.delete(path), 204)

    async def _copy(self, s3: S3Client, path: str, source: str) -> None:
        said = {"x-amz-copy-source": f"{BUCKET}/{source}"}
        self._done(await s3.request("PUT", path, headers=said), 200)

    async def _upload(self, s3: S3Client, path: str, number: int) -> None:
        created = self._done(await s3.post(f"{path}?uploads"), 200)
        upload = Upload(s3, path, created.texts("UploadId")[0])
        part = self._done(await upload.put(1, numbered(number, LARGE)), 200)
        self._done(await upload.complete([SentPart(1, part.etag)]), 200)

    def _done(self, answer: Answer, status: int) -> Answer:
        if answer.status in self._unavailable:
            assert answer.error_code is not None, answer
            raise Refused
        assert answer.status == status, answer
        return answer


def _keys_of(client: int) -> Sequence[str]:
    return f"key-{client}", f"key-{client}-twin"


def _twin(key: str) -> str:
    return key.removesuffix("-twin") if key.endswith("-twin") else f"{key}-twin"


def _found(answer: Answer) -> int | None:
    if answer.refusal == (404, "NoSuchKey"):
        return None
    assert answer.status == 200, answer
    return number_of(answer.body)
