"""What the scrub does about files that the system does not let it open, although none is rotten."""

import os
from pathlib import Path
from typing import Any

import pytest

from server.metadata.connection import Connection
from tests.blobs.bodies import digest_of, random_bytes
from tests.jobs.node import Node
from tests.jobs.scrubbing import ONE, THREE, TWO, Logged, rot, scrub_of, seen


async def test_a_file_that_may_not_be_opened_is_no_rot_and_holds_up_nobody(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files, say: what is wrong is the system, not the blob."""
    await node.put("one", ONE)
    await node.put("two", TWO)
    refuse(monkeypatch, node.at_its_place(ONE))

    noted = await scrub_of(node).run()

    assert noted == 1
    assert [event["event"] for event in logged] == ["a blob cannot be scrubbed"]
    assert await seen(conn) == {digest_of(ONE): "never", digest_of(TWO): "whole"}


def refuse(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Let the system open none of these files."""
    refused, open_ = {str(path) for path in paths}, os.open

    def open_others(path: Any, *arguments: Any) -> int:
        if str(path) in refused:
            raise OSError(24, "Too many open files")
        return open_(path, *arguments)

    monkeypatch.setattr("server.blobs.inspection.os.open", open_others)


@pytest.mark.parametrize("days", [None, 2.0], ids=["never seen", "seen long ago"])
async def test_files_that_may_not_be_opened_do_not_keep_the_scrub_from_the_others(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    """More of them than are asked for at once; and each is spoken of once."""
    monkeypatch.setattr("server.jobs.scrub._BATCH", 2)
    refused = [random_bytes(1000 + number) for number in range(5)]
    for body in (*refused, ONE, TWO, THREE):
        await node.put(str(len(body)), body)
        await conn.execute("UPDATE blob SET seen_whole = now() - %s * interval '1 day'", [days])
    refuse(monkeypatch, *map(node.at_its_place, refused))
    scrub = scrub_of(node)

    noted = [await scrub.run() for _ in range(6)]

    assert (sum(noted), noted[-1]) == (3, 0)
    assert [event["event"] for event in logged] == ["a blob cannot be scrubbed"] * 5
    whole = {digest_of(body) for body in (ONE, TWO, THREE)}
    assert {digest for digest, said in (await seen_today(conn)).items() if said} == whole


async def seen_today(conn: Connection) -> dict[bytes, bool]:
    cursor = await conn.execute("SELECT digest, seen_whole > now() - interval '1 day' FROM blob")
    return {row[0]: row[1] is True for row in await cursor.fetchall()}


async def test_rotten_files_that_may_not_be_opened_do_not_hide_other_rotten_ones(
    node: Node, conn: Connection, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.scrub._BATCH", 1)
    for body, hours in ((ONE, 3), (TWO, 2)):
        await node.put(str(len(body)), body)
        rot(node, body)
        await conn.execute(
            "UPDATE blob SET rotten = now() - %s * interval '1 hour' WHERE digest = %s",
            [hours, digest_of(body)],
        )
    refuse(monkeypatch, node.at_its_place(ONE))
    scrub = scrub_of(node)

    for _ in range(2):
        await scrub.run()

    assert [event["event"] for event in logged] == ["a blob cannot be scrubbed", "a blob is rotten"]


async def test_what_could_not_be_opened_is_tried_again_after_all_others(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.scrub._BATCH", 1)
    monkeypatch.setattr("server.jobs.scrub._REFUSED_SECONDS", 0.0)
    await node.put("one", ONE)
    await node.put("two", TWO)
    scrub = scrub_of(node)
    with monkeypatch.context() as for_a_while:
        refuse(for_a_while, node.at_its_place(ONE))
        await scrub.run()

    # The other one, nothing, and the first one again.
    noted = [await scrub.run() for _ in range(3)]

    assert noted == [1, 0, 1]
    assert set((await seen(conn)).values()) == {"whole"}
