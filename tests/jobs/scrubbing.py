"""A scrub of a node, and what tests do and see beside it."""

from collections.abc import MutableMapping
from typing import Any

from server.jobs.scrub import Scrub
from server.metadata.connection import Connection
from server.model.blob import BLOCK_BYTES
from tests.blobs.bodies import random_bytes
from tests.jobs.node import Node

ONE, TWO, THREE = random_bytes(10_000), random_bytes(20_000), random_bytes(BLOCK_BYTES + 30_000)
FAST = 1 << 40
DAY = 86_400.0

Logged = list[MutableMapping[str, Any]]


def scrub_of(node: Node, *, every_seconds: float = DAY) -> Scrub:
    return Scrub(node.metadata, node.blobs, bytes_per_second=FAST, every_seconds=every_seconds)


async def seen(conn: Connection) -> dict[bytes, str]:
    """Return what is noted of each blob: "whole", "rotten", "rotten, once whole" or "never"."""
    cursor = await conn.execute(
        "SELECT digest, concat_ws(', once ', CASE WHEN rotten IS NOT NULL THEN 'rotten' END,"
        "                         CASE WHEN seen_whole IS NOT NULL THEN 'whole' END) FROM blob"
    )
    return {row[0]: row[1] or "never" for row in await cursor.fetchall()}


def rot(node: Node, data: bytes) -> None:
    path = node.at_its_place(data)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
