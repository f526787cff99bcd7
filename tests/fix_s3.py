"""A client that sends any request, well formed or not, and a new bucket for each test."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlencode, urlsplit

import pytest

from tests.fix_server import RunningServer
from tests.signing import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED,
    UNSIGNED_TRAILER,
    V2,
    V4,
    Keys,
    Signed,
    Unsigned,
    aws_chunked,
    sha256_base64,
)
from tests.wire import Answer, Wire, connected, request_bytes

Place = Literal["header", "query", "v2 header", "v2 query", "nowhere"]
Payload = Literal[
    "signed", "unsigned", "signed chunks", "signed chunks and trailer", "unsigned chunks"
]

_LITERALS: Mapping[str, str] = {
    "unsigned": UNSIGNED,
    "signed chunks": SIGNED_CHUNKS,
    "signed chunks and trailer": SIGNED_CHUNKS_TRAILER,
    "unsigned chunks": UNSIGNED_TRAILER,
}
_TRAILER = "x-amz-checksum-sha256"


@dataclass(frozen=True)
class S3Client:
    """Sends requests, each on a connection of its own unless it is bound to one.

    target: path and query as they go over the wire, percent-encoded by the test.
    """

    endpoint: str
    keys: Keys
    host: str
    region: str = "us-east-1"
    place: Place = "header"
    payload: Payload = "signed"
    clock: timedelta = timedelta()  # how far ahead of the server's
    wire: Wire | None = None

    def as_keys(self, keys: Keys) -> "S3Client":
        """Return a client that signs with other keys."""
        return replace(self, keys=keys)

    def signing(self, place: Place, payload: Payload = "signed") -> "S3Client":
        """Return a client that puts its signature there, and protects bodies so."""
        return replace(self, place=place, payload=payload)

    def on_host(self, host: str) -> "S3Client":
        """Return a client that sends that Host header."""
        return replace(self, host=host)

    def on_bucket_host(self, bucket: str) -> "S3Client":
        """Return a client of virtual-hosted style: its targets are keys."""
        return replace(self, host=f"{bucket}.localhost:{urlsplit(self.endpoint).port}")

    def off_by(self, clock: timedelta) -> "S3Client":
        """Return a client whose clock is wrong."""
        return replace(self, clock=clock)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Wire]:
        """Yield a new connection."""
        async with connected(self.endpoint) as wire:
            yield wire

    def on(self, wire: Wire) -> "S3Client":
        """Return a client that uses that connection."""
        return replace(self, wire=wire)

    def signed(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        content_sha256: str | None = None,
        expires: int = 300,
    ) -> Signed:
        """Return the request, signed; content_sha256: what to claim instead of the truth."""
        at = datetime.now(UTC) + self.clock
        request = Unsigned(method, target, {"Host": self.host, **(headers or {})})
        if content_sha256 is None:
            content_sha256 = _LITERALS.get(self.payload) or hashlib.sha256(body).hexdigest()
        v4 = V4(self.keys, self.region, at)
        if self.place in ("v2 header", "v2 query") and content_sha256 != UNSIGNED:
            claimed = {**request.headers, "x-amz-content-sha256": content_sha256}
            request = replace(request, headers=claimed)
        match self.place:
            case "header":
                return v4.header(request, content_sha256)
            case "query":
                return v4.query(request, content_sha256, expires)
            case "v2 header":
                return V2(self.keys, at).header(request)
            case "v2 query":
                return V2(self.keys, at).query(request, expires)
            case "nowhere":
                return Signed(method, target, request.headers)

    def message(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_sha256: str | None = None,
        expires: int = 300,
    ) -> bytes:
        """Return the request as it goes over the wire, its body framed as the payload mode wants.

        body: None sends no Content-Length either.
        """
        own = dict(headers or {})
        trailer = None
        if body is not None and self.payload not in ("signed", "unsigned"):
            own = {
                "Content-Encoding": "aws-chunked",
                "x-amz-decoded-content-length": str(len(body)),
                **own,
            }
            if self.payload != "signed chunks":
                own = {"x-amz-trailer": _TRAILER, **own}
                trailer = {_TRAILER: sha256_base64(body)}
        signed = self.signed(
            method,
            target,
            headers=own,
            body=body or b"",
            content_sha256=content_sha256,
            expires=expires,
        )
        if body is None:
            return request_bytes(method, signed.target, signed.headers)
        if self.payload not in ("signed", "unsigned"):
            seed = None if self.payload == "unsigned chunks" else signed.seed
            body = aws_chunked([body] if body else [], seed=seed, trailer=trailer)
        length = {"Content-Length": str(len(body)), **signed.headers}
        return request_bytes(method, signed.target, length, body)

    async def send(self, message: bytes, method: str = "GET") -> Answer:
        """Send bytes and return the answer."""
        if self.wire is not None:
            await self.wire.send(message)
            return await self.wire.answer(method)
        async with connected(self.endpoint) as wire:
            await wire.send(message)
            return await wire.answer(method)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_sha256: str | None = None,
        expires: int = 300,
    ) -> Answer:
        """Send a signed request and return the answer."""
        message = self.message(
            method,
            target,
            headers=headers,
            body=body,
            content_sha256=content_sha256,
            expires=expires,
        )
        return await self.send(message, method)

    async def get(self, target: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("GET", target, headers=headers)

    async def head(self, target: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("HEAD", target, headers=headers)

    async def delete(self, target: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("DELETE", target, headers=headers)

    async def put(
        self, target: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self.request("PUT", target, headers=headers, body=body)

    async def post(
        self, target: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self.request("POST", target, headers=headers, body=body)

    async def keys_of(self, bucket: str) -> list[str]:
        """Return all keys of the bucket, in the order of its listing."""
        keys: list[str] = []
        start_after = ""
        while True:
            query = {"list-type": "2", "encoding-type": "url", "start-after": start_after}
            page = await self.get(f"/{bucket}?{urlencode(query, quote_via=quote)}")
            assert page.status == 200, page.body
            keys += map(unquote, page.texts("Contents/Key"))
            if page.texts("IsTruncated") == ["false"]:
                return keys
            start_after = keys[-1]


def path_of(bucket: str, key: str) -> str:
    """Return the path of a key in path style, percent-encoded."""
    return f"/{bucket}/{quote(key, safe='/')}"


@pytest.fixture
def s3(server: RunningServer) -> S3Client:
    """A client with the keys of the root account."""
    return client_of(server)


def client_of(server: RunningServer) -> S3Client:
    """Return a client of that server, with the keys of its root account."""
    return S3Client(
        server.endpoint,
        Keys(server.access_key, server.secret_key),
        server.endpoint.partition("://")[2],
        server.region,
    )


@pytest.fixture
async def bucket(s3: S3Client) -> AsyncIterator[str]:
    """The name of a new, empty bucket; it is gone afterwards."""
    name = f"test-{os.urandom(8).hex()}"
    created = await s3.put(f"/{name}")
    assert created.status == 200, created.body
    yield name
    await remove_bucket(s3, name)


async def remove_bucket(s3: S3Client, name: str) -> None:
    """Delete the bucket with all that is in it; it may be gone already."""
    while (await s3.delete(f"/{name}")).status == 409:
        page = await s3.get(f"/{name}?encoding-type=url&max-keys=500")
        await asyncio.gather(*(s3.delete(f"/{name}/{key}") for key in page.texts("Contents/Key")))


@pytest.fixture
async def both_workers(s3: S3Client) -> AsyncIterator[Sequence[S3Client]]:
    """Two clients, each bound to a connection that another worker of the server holds."""
    async with each_worker(s3) as clients:
        yield clients


@asynccontextmanager
async def each_worker(s3: S3Client) -> AsyncIterator[Sequence[S3Client]]:
    """Yield two clients of a server, each bound to a connection that another worker holds."""
    async with asyncio.timeout(30):
        async with (
            connected(s3.endpoint) as first,
            _connected_elsewhere(s3, (await s3.on(first).get("/")).worker) as second,
        ):
            yield s3.on(first), s3.on(second)


@asynccontextmanager
async def _connected_elsewhere(s3: S3Client, worker: str) -> AsyncIterator[Wire]:
    async with connected(s3.endpoint) as wire:
        if (await s3.on(wire).get("/")).worker != worker:
            yield wire
            return
        # Held open meanwhile: the workers share connections evenly.
        async with _connected_elsewhere(s3, worker) as other:
            yield other


@dataclass(frozen=True)
class Disk:
    """The blob directory of the server, as the tests look into it."""

    blobs: Path

    def staged(self) -> list[str]:
        """Return the names of the files that uploads under way write to."""
        return sorted(os.listdir(self.blobs / "staging"))

    async def staged_afterwards(self, seconds: float = 10) -> list[str]:
        """Return what is still staged once nothing is, or once the time is over."""
        for _ in range(int(seconds / 0.02)):
            if not self.staged():
                return []
            await asyncio.sleep(0.02)
        return self.staged()


@pytest.fixture
def disk(server: RunningServer) -> Disk:
    assert server.data is not None, "these tests look at the disk of a server of their own"
    return Disk(server.data / "blobs")
