"""Ways to break each invariant on purpose: the proof that a check can fail."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from server.model.invariant import Invariant
from tests.blobs.bodies import digest_of, random_bytes
from tests.jobs.world import FIRST, LARGE, ORPHAN, World, flip_a_bit

Break = Callable[[World], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """A way to break one invariant.

    judge: how tests/invariants.py calls it; "" where it does not look, or it is a leftover to it.
    """

    invariant: Invariant
    break_it: Break
    judge: str = ""
    read_data: bool = False
    days_later: float = 0


def sql(*statements: str) -> Break:
    return lambda world: world.sql(*statements, large=digest_of(LARGE))


def on_disk(change: Callable[[World], object]) -> Break:
    async def break_it(world: World) -> None:
        change(world)

    return break_it


async def publish_an_orphan(world: World) -> None:
    await world.node.publish(ORPHAN)


async def trash_an_orphan(world: World) -> None:
    await world.node.publish(ORPHAN)
    await world.node.blobs.trash([digest_of(ORPHAN)])


async def other_bytes_with_their_checksums(world: World) -> None:
    """As a bug would leave it that wrote one body under the name of another."""
    other = random_bytes(len(LARGE) + 1)[1:]
    blob = await world.node.publish(other)
    os.rename(world.file(other), world.file(LARGE))
    await world.sql(
        "UPDATE blob SET block_crcs = %(crcs)s WHERE digest = %(large)s",
        crcs=blob.block_crcs,
        large=digest_of(LARGE),
    )


BY_LARGE = "WHERE digest = %(large)s"
# Rows that come while an index is not ready are not in it, as after a crash of a faulty disk.
INDEX = "UPDATE pg_index SET {} WHERE indexrelid = '{}'::regclass"
ANOTHER = """
    INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers, user_metadata,
                                body, digest)
    SELECT bucket_id, {}, size, etag, storage_class, headers, user_metadata, body, digest
      FROM object_version WHERE key = {}
"""

CASES = {
    "the file is gone": Case(
        Invariant.BlobWithoutFile, on_disk(lambda w: w.file(LARGE).unlink()), "no file"
    ),
    "an object names a blob without a row": Case(
        Invariant.NamedWithoutBlob, sql(f"DELETE FROM blob {BY_LARGE}")
    ),
    "a part names a blob without a row": Case(
        Invariant.NamedWithoutBlob,
        lambda w: w.sql("DELETE FROM blob WHERE digest = %(first)s", first=digest_of(FIRST)),
    ),
    "a part is gone": Case(
        Invariant.ObjectWithoutParts,
        lambda w: w.conn.execute("DELETE FROM part WHERE number = 2"),
        "object without its parts",
    ),
    "a part is larger than its slices": Case(
        Invariant.PartWithoutBytes,
        sql("UPDATE slice SET length = length - 1 WHERE number = 2"),
        "part without its bytes",
    ),
    "a slice ends behind its blob": Case(
        Invariant.SliceBeyondBlob,
        sql("UPDATE slice SET blob_byte = blob_byte + 1 WHERE number = 2"),
        "slice beyond its blob",
    ),
    "a slice begins before its blob": Case(
        Invariant.SliceBeyondBlob, sql("UPDATE slice SET blob_byte = -1 WHERE number = 2")
    ),
    "a part begins elsewhere": Case(
        Invariant.MisplacedPart,
        sql("UPDATE part SET first_byte = first_byte + 1 WHERE number = 2"),
        "part at another place",
    ),
    "a slice begins elsewhere": Case(
        Invariant.MisplacedSlice, sql("UPDATE slice SET part_byte = 1 WHERE number = 2")
    ),
    "a small body is longer": Case(
        Invariant.ObjectOfAnotherSize,
        sql("UPDATE object_version SET body = body || 'x'::bytea WHERE key = 'small'"),
    ),
    "a blob is longer": Case(
        Invariant.ObjectOfAnotherSize,
        sql("UPDATE object_version SET size = size - 1 WHERE key = 'large'"),
    ),
    "the bucket is another": Case(
        Invariant.ObjectInNoBucket,
        sql("UPDATE object_version SET bucket_id = -1 WHERE key = 'small'"),
        "object in no bucket",
    ),
    "an index misses a row": Case(
        Invariant.IndexWithoutRows,
        sql(
            INDEX.format("indisready = false", "object_version_digest"),
            ANOTHER.format("'another'", "'large'"),
            INDEX.format("indisready = true", "object_version_digest"),
        ),
    ),
    "an index is not valid": Case(
        Invariant.IndexWithoutRows, sql(INDEX.format("indisvalid = false", "blob_rotten"))
    ),
    "an index is gone": Case(Invariant.IndexWithoutRows, sql("DROP INDEX slice_digest")),
    "a named blob is marked as trashed": Case(
        Invariant.NamedAlthoughTrashed,
        sql(f"UPDATE blob SET trashed = now() {BY_LARGE}"),
        "named although trashed",
    ),
    "a key has two current versions": Case(
        Invariant.TwoCurrentVersions,
        sql(
            INDEX.format("indisunique = false", "object_version_current"),
            ANOTHER.format("key", "'small'"),
            INDEX.format("indisunique = true", "object_version_current"),
        ),
    ),
    "a living blob was moved to the trash": Case(
        Invariant.LivingBlobInTrash, lambda w: w.node.blobs.trash([digest_of(LARGE)])
    ),
    "an orphan is old": Case(Invariant.FileWithoutRow, publish_an_orphan, days_later=1.1),
    "an orphan is old in the trash": Case(
        Invariant.FileWithoutRow, trash_an_orphan, days_later=1.1
    ),
    "a staged file is nobody's": Case(
        Invariant.TempFileWithoutProcess,
        on_disk(lambda w: (w.node.blobs.layout.staging / "abcd").write_bytes(b"left")),
    ),
    "a blob is named by nothing": Case(
        Invariant.NamedByNothing,
        lambda w: w.publish_with_row(ORPHAN),
        "nothing names it and nobody will look",
    ),
    "a manifest is named by nothing": Case(
        Invariant.NamedByNothing,
        sql("INSERT INTO manifest DEFAULT VALUES"),
        "nothing names it and nobody will look",
    ),
    "a release is two days old": Case(
        Invariant.ReleasedAndForgotten,
        sql("INSERT INTO released_blob VALUES (%(large)s, now() - interval '2 days')"),
    ),
    "a trigger is off": Case(
        Invariant.TriggerOff, sql("ALTER TABLE slice DISABLE TRIGGER slice_deleted")
    ),
    "a trigger is gone": Case(
        Invariant.TriggerOff, sql("DROP TRIGGER multipart_upload_deleted ON multipart_upload")
    ),
    "a file is cut short": Case(
        Invariant.FileOfAnotherSize,
        on_disk(lambda w: os.truncate(w.file(LARGE), 5)),
        "file with other bytes",
    ),
    "a block has no checksum": Case(
        Invariant.BlockCrcsOfAnotherLength,
        sql(
            "ALTER TABLE blob DROP CONSTRAINT blob_check",
            f"UPDATE blob SET block_crcs = substr(block_crcs, 9) {BY_LARGE}",
        ),
    ),
    "the scrub found it rotten": Case(
        Invariant.RottenBlob, sql(f"UPDATE blob SET rotten = now() {BY_LARGE}")
    ),
    "a bit of a file is another": Case(
        Invariant.RottenBlob,
        on_disk(lambda w: flip_a_bit(w.file(LARGE))),
        "file with other bytes",
        read_data=True,
    ),
    "the checksum of a block is another": Case(
        Invariant.RottenBlob,
        sql(f"UPDATE blob SET block_crcs = set_byte(block_crcs, 9, 77) {BY_LARGE}"),
        read_data=True,
    ),
    "a file holds other bytes with their checksums": Case(
        Invariant.RottenBlob,
        other_bytes_with_their_checksums,
        "file with other bytes",
        read_data=True,
    ),
    "a small body has another checksum": Case(
        Invariant.RottenRow,
        sql("UPDATE object_version SET body = set_byte(body, 3, 7) WHERE key = 'small'"),
        read_data=True,
    ),
    "a small body has another MD5": Case(
        Invariant.RottenRow,
        sql(
            "UPDATE object_version SET checksum = NULL, checksum_algorithm = NULL,"
            " body = set_byte(body, 3, 7) WHERE key = 'small'"
        ),
        read_data=True,
    ),
    "a shard is gone": Case(
        Invariant.MissingDirectory, on_disk(lambda w: an_empty_shard(w).rmdir())
    ),
    "a file of another program": Case(
        Invariant.ForeignFile, on_disk(lambda w: (an_empty_shard(w) / "notes.txt").touch())
    ),
    "a blob in the shard of others": Case(
        Invariant.ForeignFile,
        on_disk(lambda w: (an_empty_shard(w) / w.file(LARGE).name).touch()),
    ),
}


def an_empty_shard(world: World) -> Path:
    layout = world.node.blobs.layout
    return next(path for path in layout.directories[2:] if not any(path.iterdir()))
