"""One worker without its HTTP: metadata, blobs, and what a test does to them."""

from dataclasses import replace
from pathlib import Path

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.receiving import ReceivedBlob
from server.blobs.store import BlobStore
from server.jobs import pairing
from server.jobs.sweep import Sweep
from server.metadata.store import Metadata
from server.model.blob import Blob, BlobBody
from server.model.bucket import Bucket
from server.model.names import ObjectKey
from tests.blobs.bodies import BodyOf, digest_of
from tests.invariants import broken, leftovers
from tests.metadata.rows import Decision, content, new_bucket


class Node:
    """Metadata and blobs of one worker, and what a test does to them."""

    def __init__(self, url: str, metadata: Metadata, store: BlobStore, home: Bucket) -> None:
        self.url = url
        self.metadata = metadata
        self.blobs = store
        self.home = home

    @classmethod
    async def made(cls, url: str, metadata: Metadata, store: BlobStore) -> "Node":
        """Return a node with a bucket, whose directory belongs to the database."""
        async with metadata.transaction() as conn:
            await pairing.pair(conn, store.layout, ReadOnlyFlag())
            return cls(url, metadata, store, await new_bucket(conn))

    async def put(self, key: str, data: bytes) -> None:
        await self.metadata.settings.refresh()
        allowed = Decision(self.metadata, self.metadata.settings.revision)
        async with self.blobs.receive(BodyOf(data)) as received:
            assert isinstance(received, ReceivedBlob)

            async def publish() -> None:
                await self.blobs.publish([received])

            said = replace(content(BlobBody(received.blob)), size=len(data))
            await self.metadata.put(self.home.id, ObjectKey(key), said, allowed, publish=publish)

    async def publish(self, data: bytes) -> Blob:
        """Put the file at its place and no row into the database, as a crash does."""
        async with self.blobs.receive(BodyOf(data)) as received:
            assert isinstance(received, ReceivedBlob)
            await self.blobs.publish([received])
            return received.blob

    async def delete(self, key: str) -> None:
        await self.metadata.settings.refresh()
        allowed = Decision(self.metadata, self.metadata.settings.revision)
        await self.metadata.delete(self.home.id, ObjectKey(key), allowed)

    async def sweep(self, grace_seconds: float = 0) -> None:
        await Sweep(self.metadata, self.blobs, grace_seconds=grace_seconds).run()

    def at_its_place(self, data: bytes) -> Path:
        return self.blobs.layout.blob(digest_of(data))

    def in_the_trash(self, data: bytes) -> Path:
        return self.blobs.layout.trashed(digest_of(data))

    def broken(self) -> list[str]:
        return broken(self.url, self.blobs.layout.root)

    def leftovers(self) -> list[str]:
        return leftovers(self.url, self.blobs.layout.root)
