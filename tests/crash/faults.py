"""Mistakes that would lose data or let something in, one after the other, and who catches each.

A fault is one exact replacement in the source tree; the test named must fail for it. Whoever moves
the text moves the fault along: one that no longer applies is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """file: from the top of the tree. old: stands there once. caught_by: file::function."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str


_ORDER = "tests/crash/test_write_order.py::"
_IN_ORDER = "test_put_object_is_durable_before_it_is_committed_and_committed_before_it_is_answered"

# The cheap ones: they need no server. They are the short form.
ON_FILES: Sequence[Fault] = (
    Fault(
        "D4: bytes are published before they are verified",
        "server/blobs/receiving.py",
        "        body.verify(digests)\n        staged = self._file()",
        "        staged = self._file()",
        "tests/blobs/test_receiving.py::"
        "test_receive_of_a_body_that_fails_verification_leaves_nothing",
    ),
    Fault(
        "D4: a body of one piece is published before it is verified",
        "server/blobs/receiving.py",
        "    body.verify(digests)  # before the fsync, as above\n",
        "",
        "tests/blobs/test_receiving.py::"
        "test_receive_of_a_body_that_fails_verification_leaves_nothing",
    ),
    Fault(
        "D7: the sweep unlinks at once",
        "server/blobs/trash.py",
        "os.rename(layout.blob(digest), layout.trashed(digest))",
        "os.unlink(layout.blob(digest))",
        "tests/blobs/test_trash.py::test_trash_moves_a_blob_out_of_its_shard",
    ),
    Fault(
        "D9: a block is read without a look at its CRC",
        "server/blobs/reading.py",
        "if not verify_block(",
        "if False and not verify_block(",
        "tests/blobs/test_reading.py::test_rotten_bytes_are_never_yielded",
    ),
    Fault(
        "a published blob is unlinked on an error",
        "server/blobs/store.py",
        "        await run(self._writers, self._publish, received)",
        "        try:\n"
        "            await run(self._writers, self._publish, received)\n"
        "        except BaseException:\n"
        "            for each in received:\n"
        "                self.layout.blob(each.blob.digest).unlink(missing_ok=True)\n"
        "            raise",
        "tests/blobs/test_store.py::"
        "test_a_failed_fsync_of_the_directory_unlinks_nothing_that_was_published",
    ),
    Fault(
        "D8: a staged file is held by no lock",
        "server/blobs/staging.py",
        "            fcntl.flock(fd, fcntl.LOCK_EX)\n",
        "",
        "tests/blobs/test_sweep.py::test_staging_of_this_process_is_not_stale",
    ),
)

ON_ROWS: Sequence[Fault] = (
    Fault(
        "D2: a session commits asynchronously",
        "server/metadata/connection.py",
        '"-c synchronous_commit=on"',
        '"-c synchronous_commit=off"',
        "tests/metadata/test_connection.py::test_a_session_is_ours_whatever_the_database_says",
    ),
    Fault(
        "D2: a PostgreSQL without fsync is taken",
        "server/metadata/schema.py",
        '    "fsync": "on",\n',
        "",
        "tests/metadata/test_schema.py::test_a_postgres_that_may_lose_what_it_committed_is_refused",
    ),
    Fault(
        "D3: the sweep locks nothing",
        "server/metadata/released.py",
        "     WHERE digest = ANY(%(digests)s::bytea[])\n     ORDER BY digest\n"
        "       FOR UPDATE SKIP LOCKED\n",
        "     WHERE digest = ANY(%(digests)s::bytea[])\n     ORDER BY digest\n",
        "tests/metadata/test_released.py::"
        "test_a_blob_that_somebody_has_locked_is_left_for_another_time",
    ),
    Fault(
        "D7: the sweep does not look again before it unlinks",
        "server/metadata/released.py",
        "return locked, await _unreferenced(conn, locked)",
        "return locked, locked",
        "tests/jobs/test_sweep.py::test_a_trashed_blob_that_is_named_is_brought_back",
    ),
    Fault(
        "D5: a key may have two current versions",
        "schema.sql",
        "CREATE UNIQUE INDEX object_version_current ON",
        "CREATE INDEX object_version_current ON",
        "tests/metadata/test_object_versions.py::test_put_replaces_every_column",
    ),
    Fault(
        "D8: what an overwrite replaces is never released",
        "schema.sql",
        "AFTER UPDATE OF digest ON object_version",
        "AFTER UPDATE OF bucket_id ON object_version",
        "tests/metadata/test_object_versions.py::"
        "test_overwriting_and_deleting_release_what_was_named",
    ),
    Fault(
        "a writer does not keep its bucket",
        "schema.sql",
        "PERFORM pg_advisory_xact_lock_shared(held);",
        "PERFORM held;",
        "tests/metadata/test_buckets.py::test_a_delete_waits_for_writers_and_sees_what_they_wrote",
    ),
    Fault(
        "a part may arrive behind the end of its upload",
        "server/metadata/multipart_uploads.py",
        '_find(conn, _FIND + " FOR SHARE", ',
        "_find(conn, _FIND, ",
        "tests/metadata/test_multipart_uploads.py::"
        "test_a_part_that_waited_for_the_end_of_its_upload_finds_none",
    ),
    Fault(
        "D9: a body in its row is not compared with its checksum",
        "server/reading.py",
        "if checksum is not None and checksum_of(",
        "if False and checksum is not None and checksum_of(",
        "tests/test_reading.py::test_a_rotten_body_in_its_row_is_not_served",
    ),
)

ON_A_SERVER: Sequence[Fault] = (
    Fault(
        "D1: a file is not fsynced",
        "server/blobs/staging.py",
        "        fsync(self._opened().fd, self._read_only)",
        "        self._opened()",
        _ORDER + _IN_ORDER,
    ),
    Fault(
        "D1: a directory is not fsynced",
        "server/blobs/store.py",
        "        fsync_directories(shards, self._read_only)\n",
        "",
        _ORDER + _IN_ORDER,
    ),
    Fault(
        "D2: 200 before COMMIT",
        "server/writing.py",
        "        await stores.metadata.put(\n"
        "            request.bucket.id, request.key, content, request.grant, publish=publish\n"
        "        )\n",
        '        __import__("asyncio").create_task(stores.metadata.put(\n'
        "            request.bucket.id, request.key, content, request.grant, publish=publish\n"
        "        ))\n",
        _ORDER + "test_a_body_kept_in_its_row_touches_no_file_and_is_committed_before_it_is"
        "_answered",
    ),
    Fault(
        "D1: no write on a digest hit",
        "server/blobs/store.py",
        "                body.staged.publish(self.layout.blob(digest))\n",
        "                if not self.layout.blob(digest).exists():\n"
        "                    body.staged.publish(self.layout.blob(digest))\n",
        _ORDER + "test_put_object_of_bytes_that_are_there_goes_through_every_step_again",
    ),
    Fault(
        "D6: a failed fsync is forgotten",
        "server/blobs/files.py",
        "        read_only.set()\n",
        "",
        "tests/crash/test_failed_fsync.py::test_after_a_failed_fsync_the_node_reads_and_writes_"
        "nothing_until_it_is_restarted",
    ),
    Fault(
        "a worker answers from a stale cache",
        "server/metadata/store.py",
        "if found.revision == allowed.revision:",
        "if True:",
        "tests/concurrency/test_revocation.py::"
        "test_a_key_that_was_disabled_is_refused_by_every_worker_at_once",
    ),
    Fault(
        "one payload mode is not verified: a hash that is signed",
        "server/http/body.py",
        "check_content_sha256(self._payload.sha256, digests.sha256)",
        "pass",
        "tests/access/test_payload_modes.py::"
        "test_a_body_that_was_changed_on_its_way_is_refused_where_its_hash_is_signed",
    ),
    Fault(
        "one payload mode is not verified: chunks that are signed",
        "sigv4/chunks.py",
        "        if not same_signature(computed, provided):",
        "        if False:",
        "tests/access/test_payload_modes.py::"
        "test_a_signed_chunk_that_was_changed_on_its_way_is_refused",
    ),
)

# The same again for a judge that looks at no call: what is missing is missing after the cut.
_POWER_CUT = "tests/crash/test_power_cut.py::test_what_was_acknowledged_outlives_a_power_cut"
ON_A_DISK: Sequence[Fault] = (
    Fault(
        "D1: a file is not fsynced, and the power is cut",
        "server/blobs/staging.py",
        "        fsync(self._opened().fd, self._read_only)",
        "        self._opened()",
        _POWER_CUT,
    ),
    Fault(
        "D1: a directory is not fsynced, and the power is cut",
        "server/blobs/store.py",
        "        fsync_directories(shards, self._read_only)\n",
        "",
        _POWER_CUT,
    ),
    Fault(
        "D2: PostgreSQL commits asynchronously, and the power is cut",
        "server/metadata/connection.py",
        '"-c synchronous_commit=on"',
        '"-c synchronous_commit=off"',
        _POWER_CUT,
    ),
)

FAULTS: Sequence[Fault] = (*ON_FILES, *ON_ROWS, *ON_A_SERVER, *ON_A_DISK)
