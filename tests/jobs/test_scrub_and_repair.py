"""Rot that a client repairs, by writing the same bytes again, while the scrub is at it."""

from typing import Any

import pytest

from server.jobs.whole_blobs import Fault, fault_of
from server.metadata.connection import Connection
from tests.blobs.bodies import digest_of
from tests.jobs.node import Node
from tests.jobs.scrubbing import ONE, Logged, rot, scrub_of, seen


async def test_a_blob_that_is_repaired_while_its_rot_is_read_is_whole(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("k", ONE)
    rot(node, ONE)
    read_whole = node.blobs.read_whole

    async def repair_meanwhile(*arguments: Any) -> bool:
        monkeypatch.setattr(node.blobs, "read_whole", read_whole)
        try:
            return await read_whole(*arguments)
        finally:
            await node.put("again", ONE)

    monkeypatch.setattr(node.blobs, "read_whole", repair_meanwhile)

    await scrub_of(node).run()

    assert logged == []
    assert await seen(conn) == {digest_of(ONE): "whole"}


async def test_a_blob_that_is_repaired_before_its_rot_is_noted_is_not_noted(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("k", ONE)
    rot(node, ONE)

    async def fault_and_repair(*arguments: Any) -> Fault | None:
        fault = await fault_of(*arguments)
        await node.put("again", ONE)
        return fault

    monkeypatch.setattr("server.jobs.scrub.fault_of", fault_and_repair)

    assert await scrub_of(node).run() == 0
    assert await seen(conn) == {digest_of(ONE): "never"}
