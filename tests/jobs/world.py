"""A node that holds something of every kind, and what a test breaks of it."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

from server.jobs.check import Check, Looked
from server.metadata import blobs, object_versions
from server.metadata.connection import Connection
from server.model.blob import BLOCK_BYTES, ManifestBody, Slice
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.invariant import Finding
from server.model.names import BlobDigest, ObjectKey
from server.rules.checksums import checksum_of
from tests.blobs.bodies import random_bytes
from tests.jobs.node import Node
from tests.metadata.rows import complete, content, new_upload, put_part

SMALL = b"a small body"
LARGE = random_bytes(2 * BLOCK_BYTES + 5000)  # three blocks
FIRST, SECOND = random_bytes(6000), random_bytes(7000)  # the parts of an object
PENDING = random_bytes(8000)  # the part of an upload in progress
TRASHED = random_bytes(9000)  # nothing names it any more
ORPHAN = random_bytes(4000)  # for a test to publish

DAYS = 86_400.0


class World:
    """The node, a connection of the superuser, and what Check says of them."""

    def __init__(self, node: Node, conn: Connection) -> None:
        self.node = node
        self.conn = conn
        self.looked = Looked()

    async def check(self, *, read_data: bool = False, days_later: float = 0) -> list[Finding]:
        """Return what a check finds; it believes that so many days have gone by."""
        found: list[Finding] = []
        check = Check(
            self.node.metadata,
            self.node.blobs,
            found=found.append,
            progress=lambda what, done, total: None,
            now=time.time() + days_later * DAYS,
            grace_seconds=3600,
        )
        self.looked = check.looked
        await check.run(read_data=read_data)
        return found

    async def sql(self, *statements: str, **values: object) -> None:
        """Run statements as the superuser, with neither foreign keys nor triggers in the way."""
        async with self.conn.transaction():
            await self.conn.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await self.conn.execute(statement.encode(), values or None)

    def file(self, data: bytes) -> Path:
        return self.node.at_its_place(data)

    async def publish_with_row(self, data: bytes) -> BlobDigest:
        """Put the file at its place, and a row that nothing names into the database."""
        blob = await self.node.publish(data)
        async with self.node.metadata.transaction() as conn:
            await blobs.lock_for_writing(conn, [blob])
        return blob.digest


async def fill(node: Node) -> None:
    """Give the node objects of every kind, an upload in progress, and a blob in the trash."""
    await node.put("large", LARGE)
    await node.put("trashed", TRASHED)
    await node.delete("trashed")
    await node.sweep(grace_seconds=3600)
    parts = [await node.publish(body) for body in (FIRST, SECOND, PENDING)]
    crc = Checksum(
        ChecksumAlgorithm.CRC32,
        ChecksumType.FULL_OBJECT,
        checksum_of(ChecksumAlgorithm.CRC32, SMALL),
    )
    async with node.metadata.transaction() as conn:
        md5 = hashlib.md5(SMALL, usedforsecurity=False).hexdigest()
        small = replace(content(SMALL, etag=md5), checksum=crc)
        await object_versions.put(conn, node.home.id, ObjectKey("small"), small)
        upload = await new_upload(conn, node.home, "parts", "done")
        for number, blob in enumerate(parts[:2], start=1):
            await put_part(conn, upload, number, [Slice(blob, 0, blob.size)])
        size = len(FIRST) + len(SECOND)
        await complete(conn, node.home, upload, size)
        whole = replace(content(ManifestBody(upload.manifest_id, 2)), size=size)
        for key in ("parts", "copy"):
            await object_versions.put(conn, node.home.id, ObjectKey(key), whole)
        pending = await new_upload(conn, node.home, "parts", "pending")
        await put_part(conn, pending, 1, [Slice(parts[2], 0, len(PENDING))])


def flip_a_bit(path: Path) -> None:
    """Change the byte in the middle of the file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
