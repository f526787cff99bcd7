"""s3d blob: what is known of one blob."""

import json

import pytest

from tests.blobs.bodies import digest_of
from tests.cli.stopped import Stopped
from tests.jobs.world import FIRST, LARGE, ORPHAN, PENDING, SMALL, TRASHED


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
            "file_fault": None,
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


def test_a_blob_that_an_upload_in_progress_alone_needs_names_the_upload(stopped: Stopped) -> None:
    [upload] = shown(stopped, PENDING)[1:]

    assert upload == {"bucket": "bucket", "key": "parts", "upload_id": "pending"}


async def test_more_objects_than_are_listed_are_said_to_be_there(stopped: Stopped) -> None:
    await stopped.world.sql(
        "INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers,"
        " user_metadata, digest)"
        " SELECT bucket_id, 'large-' || n, size, etag, storage_class, headers, user_metadata,"
        " digest FROM object_version, generate_series(1, 1000) n WHERE key = 'large'"
    )

    needed_by = shown(stopped, LARGE)[1:]

    assert len(needed_by) == 1001
    assert needed_by[999] == {"bucket": "bucket", "key": "large-998"}
    assert needed_by[1000] == {"more": "only the first 1000 are listed"}


def test_a_blob_without_its_file_is_said_to_lack_it(stopped: Stopped) -> None:
    stopped.world.file(LARGE).unlink()

    done = stopped.run("blob", digest_of(LARGE).hex())

    [blob, _] = shown(stopped, LARGE)
    assert done.stdout.splitlines()[0].endswith(f"  size: {len(LARGE)}  file: missing")
    assert (blob["file"], blob["file_fault"]) == (None, "missing")


def test_a_file_of_another_size_is_said_to_be_one(stopped: Stopped) -> None:
    stopped.world.file(LARGE).write_bytes(b"short")

    done = stopped.run("blob", digest_of(LARGE).hex())

    fault = f"5 bytes instead of {len(LARGE)}"
    assert done.stdout.splitlines()[0].endswith(f"  file fault: {fault}")
    assert shown(stopped, LARGE)[0]["file_fault"] == fault


def test_a_digest_may_be_written_in_capitals(stopped: Stopped) -> None:
    done = stopped.run("blob", digest_of(LARGE).hex().upper())

    assert done.stdout.startswith(f"blob: {digest_of(LARGE).hex()}  ")


def test_a_blob_in_the_trash_is_shown_there(stopped: Stopped) -> None:
    [blob] = shown(stopped, TRASHED)

    assert blob["file"] == str(stopped.world.node.in_the_trash(TRASHED))
    assert (blob["trashed"] is None, blob["file_fault"]) == (False, None)


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


@pytest.mark.parametrize("digest", ["abc", "g" * 64])
def test_what_is_no_digest_is_a_wrong_usage(stopped: Stopped, digest: str) -> None:
    assert stopped.run("blob", digest).returncode == 2
