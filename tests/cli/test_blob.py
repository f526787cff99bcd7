"""s3d blob: what is known of one blob."""

import json

import pytest

from tests.blobs.bodies import digest_of
from tests.cli.stopped import Stopped
from tests.jobs.world import FIRST, LARGE, ORPHAN, SMALL, TRASHED


def shown(stopped: Stopped, data: bytes) -> list[dict[str, object]]:
    done = stopped.run("blob", digest_of(data).hex(), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_a_blob_says_when_it_was_seen_and_who_needs_it(stopped: Stopped) -> None:
    await stopped.world.sql(
        "UPDATE blob SET seen_whole = '2024-05-06 07:08:09+00', rotten = '2025-05-06 07:08:09+00'"
        " WHERE digest = %(large)s",
        large=digest_of(LARGE),
    )

    assert shown(stopped, LARGE) == [
        {
            "blob": digest_of(LARGE).hex(),
            "size": len(LARGE),
            "file": str(stopped.world.file(LARGE)),
            "trashed": None,
            "seen_whole": "2024-05-06T07:08:09+00:00",
            "rotten": "2025-05-06T07:08:09+00:00",
        },
        {"bucket": "bucket", "key": "large"},
    ]


def test_the_blob_of_a_part_says_which_objects_share_it(stopped: Stopped) -> None:
    assert shown(stopped, FIRST)[1:] == [
        {"bucket": "bucket", "key": "copy"},
        {"bucket": "bucket", "key": "parts"},
    ]


def test_a_blob_in_the_trash_is_shown_there(stopped: Stopped) -> None:
    [blob] = shown(stopped, TRASHED)

    assert blob["file"] == str(stopped.world.node.in_the_trash(TRASHED))
    assert blob["trashed"] is not None


async def test_an_orphan_is_a_file_without_a_size(stopped: Stopped) -> None:
    await stopped.world.node.publish(ORPHAN)

    [blob] = shown(stopped, ORPHAN)

    assert (blob["size"], blob["file"]) == (None, str(stopped.world.file(ORPHAN)))


def test_words_leave_out_what_is_not_known(stopped: Stopped) -> None:
    done = stopped.run("blob", digest_of(LARGE).hex())

    assert done.stdout == (
        f"blob: {digest_of(LARGE).hex()}  size: {len(LARGE)}  file: {stopped.world.file(LARGE)}\n"
        "bucket: bucket  key: large\n"
    )


async def test_a_key_moves_no_cursor(stopped: Stopped) -> None:
    await stopped.world.sql("UPDATE object_version SET key = E'a\\x1b[2J' WHERE key = 'large'")

    done = stopped.run("blob", digest_of(LARGE).hex())

    assert done.stdout.splitlines()[1] == "bucket: bucket  key: a\\x1b[2J"


def test_a_blob_that_is_not_there_is_one_message_and_status_1(stopped: Stopped) -> None:
    done = stopped.run("blob", digest_of(SMALL).hex())

    assert (done.returncode, done.stderr) == (
        1,
        f"Error: there is no blob {digest_of(SMALL).hex()}\n",
    )


@pytest.mark.parametrize("digest", ["abc", "A" * 64, "g" * 64])
def test_what_is_no_digest_is_a_wrong_usage(stopped: Stopped, digest: str) -> None:
    assert stopped.run("blob", digest).returncode == 2
