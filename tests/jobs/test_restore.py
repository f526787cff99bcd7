"""What comes back from a backup, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.blobs.errors import ArchiveError
from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.jobs.restore import RestoreIncomplete
from server.jobs.snapshot import sealed
from server.jobs.sweep import Sweep
from server.metadata import multipart_uploads, snapshot
from server.metadata.connection import Connection, connect
from server.metadata.errors import SchemaMismatch
from server.metadata.schema import SCHEMA_VERSION
from server.metadata.store import Metadata
from server.model.blob import Slice
from server.model.names import ObjectKey, UploadId
from tests.blobs.bodies import digest_of, random_bytes
from tests.blobs.disk import files_in
from tests.invariants import broken, leftovers
from tests.jobs.archived import SECONDS, archived, back_up, contents, finished, restore
from tests.jobs.node import Node
from tests.metadata.rows import new_bucket, new_upload, put_part

ONE, TWO = random_bytes(10_000), random_bytes(20_000)


@pytest.fixture
async def root(node: Node, tmp_path: Path) -> Path:
    """An archive with a snapshot of two objects, one upload in progress, and one that is gone."""
    await node.put("one", ONE)
    await node.put("two", TWO)
    await node.put("gone", random_bytes(30_000))
    await node.delete("gone")
    blob = await node.publish(random_bytes(40_000))
    async with node.metadata.transaction() as conn:
        upload = await new_upload(conn, node.home)
        await put_part(conn, upload, 1, [Slice(blob, 0, blob.size)])
    credentials = tmp_path / "root-credentials"
    credentials.write_text("kept")
    await back_up(node, tmp_path / "archive", credentials=credentials)
    return tmp_path / "archive"


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "restored"


def description_of(root: Path) -> tuple[Path, dict[str, Any]]:
    """Return the file that describes the only snapshot, and what it says."""
    [name] = finished(root)
    file = root / "snapshots" / name / "snapshot.json"
    return file, json.loads(file.read_text())


def describe_otherwise(root: Path, **changes: object) -> None:
    """Let the only snapshot be described otherwise by whoever made it."""
    file, said = description_of(root)
    del said["sha256"]
    file.write_bytes(sealed({**said, **changes}))


async def is_empty(url: str) -> bool:
    return await snapshot.is_empty(url, timeout_seconds=SECONDS)


async def test_everything_comes_back_and_nothing_is_broken(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    findings = await restore(root, empty_database_url, blobs)

    assert findings.copied == 3
    assert contents(empty_database_url, blobs) == {"one": ONE, "two": TWO}
    assert broken(empty_database_url, blobs) == []


async def test_what_waited_for_the_sweep_is_swept_where_it_comes_back(
    node: Node, root: Path, blobs: Path, empty_database_url: str
) -> None:
    await restore(root, empty_database_url, blobs)

    async with Metadata.opened(
        empty_database_url, connections=1, timeout_seconds=SECONDS
    ) as metadata:
        node.blobs.layout = open_layout(blobs, ReadOnlyFlag())
        await Sweep(metadata, node.blobs, grace_seconds=0).run()

    assert leftovers(empty_database_url, blobs) == []
    assert broken(empty_database_url, blobs) == []


async def test_an_upload_in_progress_goes_on(
    node: Node, root: Path, blobs: Path, empty_database_url: str
) -> None:
    await restore(root, empty_database_url, blobs)

    async with await connect(empty_database_url) as conn:
        upload = await multipart_uploads.find(
            conn, node.home.id, ObjectKey("key"), UploadId("upload")
        )
        assert upload is not None
        cursor = await conn.execute(
            "SELECT digest FROM slice WHERE manifest_id = %s", [upload.manifest_id]
        )
        assert await cursor.fetchall() == [(digest_of(random_bytes(40_000)),)]


async def test_the_settings_revision_is_one_that_no_worker_has_seen(
    node: Node, root: Path, blobs: Path, empty_database_url: str
) -> None:
    await restore(root, empty_database_url, blobs)

    with psycopg.connect(node.url) as before, psycopg.connect(empty_database_url) as after:
        [old] = before.execute("SELECT revision FROM settings_revision").fetchone() or ()
        [new] = after.execute("SELECT revision FROM settings_revision").fetchone() or ()
    assert new > old


async def test_a_restore_goes_on_where_it_was_cut_short(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    archived(root, TWO).rename(root / "aside")
    with pytest.raises(RestoreIncomplete):
        await restore(root, empty_database_url, blobs)
    was_empty = await is_empty(empty_database_url)
    (root / "aside").rename(archived(root, TWO))

    findings = await restore(root, empty_database_url, blobs)
    again = await restore(root, empty_database_url, blobs)

    assert was_empty
    assert (findings.copied, again.copied) == (1, 0)
    assert broken(empty_database_url, blobs) == []


async def test_a_rotten_blob_is_named_and_no_row_is_written(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    archived(root, TWO).write_bytes(b"x" + TWO[1:])

    with pytest.raises(RestoreIncomplete) as failed:
        await restore(root, empty_database_url, blobs)

    assert digest_of(TWO).hex() in failed.value.findings.unusable[0]
    assert await is_empty(empty_database_url)
    assert digest_of(TWO).hex() not in {path.name for path in files_in(blobs)}


async def test_a_snapshot_that_lacks_blobs_is_refused_until_a_later_backup_has_them(
    node: Node, tmp_path: Path, blobs: Path, empty_database_url: str
) -> None:
    for key in ("one", "again"):
        await node.put(key, ONE)
    node.at_its_place(ONE).rename(tmp_path / "aside")
    lacking = await back_up(node, tmp_path / "archive")

    with pytest.raises(ArchiveError, match="lacks 1 blobs: when it was made, 2 objects needed"):
        await restore(tmp_path / "archive", empty_database_url, blobs)
    was_empty = await is_empty(empty_database_url)
    (tmp_path / "aside").rename(node.at_its_place(ONE))
    await back_up(node, tmp_path / "archive")
    await restore(tmp_path / "archive", empty_database_url, blobs, lacking.name)

    assert was_empty
    assert contents(empty_database_url, blobs) == {"again": ONE, "one": ONE}


async def test_rows_of_somebody_else_are_refused_before_a_byte_is_written(
    root: Path, blobs: Path, database_url: str
) -> None:
    """database_url: where the node of the snapshot went on."""
    with psycopg.connect(database_url) as conn:
        conn.execute("UPDATE object_version SET etag = 'other' WHERE key = 'one'")

    with pytest.raises(SchemaMismatch, match="other rows in object_version"):
        await restore(root, database_url, blobs)

    assert files_in(blobs) == []


@pytest.mark.parametrize("name", ["account.rows", "blob.rows", "root-credentials", "unusable"])
async def test_a_rotten_file_is_refused_before_a_byte_is_written(
    root: Path, blobs: Path, empty_database_url: str, name: str
) -> None:
    file = root / "snapshots" / finished(root)[0] / name
    file.write_bytes(file.read_bytes()[:-2] + b"x\n")

    with pytest.raises(ArchiveError, match=rf"{name} holds other"):
        await restore(root, empty_database_url, blobs)

    assert files_in(blobs) == []
    assert await is_empty(empty_database_url)


async def test_a_database_that_does_not_give_back_what_it_took_stays_empty(
    root: Path, blobs: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = snapshot.copy_in

    async def lose_one_table(
        conn: Connection, table: str, columns: Sequence[str], *others: Any, **limit: float
    ) -> None:
        if table != "released_blob":
            await original(conn, table, columns, *others, **limit)

    monkeypatch.setattr("server.metadata.snapshot.copy_in", lose_one_table)

    with pytest.raises(SchemaMismatch, match="holds other rows in released_blob"):
        await restore(root, empty_database_url, blobs)

    assert await is_empty(empty_database_url)


async def test_new_rows_get_new_numbers(root: Path, blobs: Path, empty_database_url: str) -> None:
    await restore(root, empty_database_url, blobs)

    async with await connect(empty_database_url) as conn:
        another = await new_bucket(conn, "another")
    assert another.id > 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": SCHEMA_VERSION + 1}, f"schema {SCHEMA_VERSION + 1}; this program needs"),
        ({"format": 1}, r"format 1; this program reads 2\. Restore it with the version"),
        ({"tables": {}}, "other tables"),
        ({"sequences": None, "unknown": 1}, "cannot be used"),
    ],
)
async def test_a_snapshot_of_another_program_is_refused_before_a_byte_is_written(
    root: Path, blobs: Path, empty_database_url: str, changes: dict[str, object], said: str
) -> None:
    describe_otherwise(root, **changes)

    with pytest.raises((ArchiveError, SchemaMismatch), match=said):
        await restore(root, empty_database_url, blobs)

    assert files_in(blobs) == []
    assert await is_empty(empty_database_url)


@pytest.mark.parametrize(
    "changes",
    [
        {"root_credentials": None},
        {"sequences": {}},
        {"settings_revision": 0},
        {"taken": "2020-01-01T00:00:00+00:00"},
        {"sha256": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_rotten_description_is_refused_before_a_byte_is_written(
    root: Path, blobs: Path, empty_database_url: str, changes: dict[str, object]
) -> None:
    file, said = description_of(root)
    file.write_text(json.dumps({**said, **changes}))

    with pytest.raises(ArchiveError, match=r"snapshot\.json says something else"):
        await restore(root, empty_database_url, blobs)

    assert files_in(blobs) == []
    assert await is_empty(empty_database_url)


async def test_numbers_that_rows_have_already_are_not_to_be_given_out(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    _, said = description_of(root)
    del said["sequences"]["bucket.id"]
    describe_otherwise(root, sequences=said["sequences"])

    with pytest.raises(SchemaMismatch, match=r"bucket\.id goes up to \d+, .* begin after 0"):
        await restore(root, empty_database_url, blobs)

    assert await is_empty(empty_database_url)


async def test_other_columns_are_refused_and_no_row_is_written(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    _, said = description_of(root)
    said["tables"]["bucket"]["columns"][-1] = "another"
    describe_otherwise(root, tables=said["tables"])

    with pytest.raises(SchemaMismatch, match="bucket has the columns"):
        await restore(root, empty_database_url, blobs)

    assert await is_empty(empty_database_url)


async def test_a_name_that_is_no_snapshot_is_refused(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    with pytest.raises(ArchiveError, match="no finished snapshot 20200101T000000Z"):
        await restore(root, empty_database_url, blobs, "20200101T000000Z")


async def test_a_blob_that_a_restore_cut_short_left_rotten_is_copied_anew(
    root: Path, blobs: Path, empty_database_url: str
) -> None:
    """It may have been killed before it read its copy back."""
    archived(root, TWO).rename(root / "aside")
    with pytest.raises(RestoreIncomplete):
        await restore(root, empty_database_url, blobs)
    (root / "aside").rename(archived(root, TWO))
    name = digest_of(ONE).hex()
    (blobs / name[:2] / name).write_bytes(b"x" + ONE[1:])

    findings = await restore(root, empty_database_url, blobs)

    assert findings.copied == 2
    assert contents(empty_database_url, blobs) == {"one": ONE, "two": TWO}
