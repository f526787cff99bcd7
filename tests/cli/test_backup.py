"""s3d backup as an operator runs it, beside a server and without one."""

import json
import os
import pty
import shutil
from pathlib import Path

import psycopg
import pytest

from server.blobs.archive import Archive
from tests.blobs.archives import AT_ONCE
from tests.cli.disks import free_bytes, small_disk
from tests.cli.sites import BODY, Site, said
from tests.commands import GIVE_UP_SECONDS, database, run, start
from tests.fix_server import own_database


def test_a_second_backup_says_how_little_it_copied(site: Site) -> None:
    second = said(site.backup(site.archive, "--json"))

    assert (second["blobs"], second["copied_blobs"], second["copied_bytes"]) == (1, 0, 0)


def test_the_list_shows_every_snapshot_and_needs_no_database(site: Site) -> None:
    made = said(site.backup(site.archive, "--json"))

    listed = run("backup", site.archive, "--list", "--json")

    shown = [json.loads(line) for line in listed.stdout.splitlines()]
    expected = {"objects": 2, "blobs": 1, "blob_bytes": len(BODY)}
    assert shown[-1].items() >= {"snapshot": made["snapshot"], **expected}.items()
    assert [each["snapshot"] for each in shown] == sorted(each["snapshot"] for each in shown)


def test_keep_removes_what_is_older(site: Site, tmp_path: Path) -> None:
    for _ in range(2):
        said(site.backup(tmp_path / "archive", "--json"))

    last = said(site.backup(tmp_path / "archive", "--keep", "1", "--json"))

    listed = run("backup", tmp_path / "archive", "--list", "--json").stdout.splitlines()
    assert last["removed_snapshots"] == 2
    assert [json.loads(line)["snapshot"] for line in listed] == [last["snapshot"]]


def test_a_snapshot_is_shown_even_if_older_ones_cannot_be_removed(
    site: Site, tmp_path: Path
) -> None:
    first = said(site.backup(tmp_path / "archive", "--json"))["snapshot"]
    (tmp_path / "archive" / "snapshots" / first / "blob.rows").write_bytes(b"")

    failed = site.backup(tmp_path / "archive", "--keep", "2", "--json")

    assert (failed.returncode, "holds other rows" in failed.stderr) == (1, True)
    shown = json.loads(failed.stdout)
    assert (tmp_path / "archive" / "snapshots" / shown["snapshot"]).is_dir()
    assert (shown["removed_snapshots"], shown["removed_blobs"]) == (None, None)


def test_a_wait_that_postgresql_cannot_count_is_refused(site: Site, tmp_path: Path) -> None:
    refused = site.backup(tmp_path / "archive", "--wait-seconds", "2147484")

    assert refused.returncode == 2
    assert "'2147484' is not a whole number from 0 to 604800" in refused.stderr


@pytest.mark.parametrize("flag", ["--wait-seconds", "--keep"])
def test_what_is_no_number_is_refused_as_by_other_flags(
    site: Site, tmp_path: Path, flag: str
) -> None:
    refused = site.backup(tmp_path / "archive", flag, "x")

    assert (refused.returncode, "'x' is not a whole number from" in refused.stderr) == (2, True)


def test_an_empty_word_is_no_directory(site: Site) -> None:
    refused = site.backup("")

    assert (refused.returncode, "a path cannot be empty" in refused.stderr) == (2, True)


def test_a_list_without_a_finished_snapshot_says_so(tmp_path: Path) -> None:
    with Archive.to_write(tmp_path / "archive", AT_ONCE):
        pass

    listed = run("backup", tmp_path / "archive", "--list", "--json")

    expected = f"There are no finished snapshots in {tmp_path / 'archive'}.\n"
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", expected)


@pytest.mark.parametrize("more", [("--keep", "1"), ("--read-data",)], ids=" ".join)
def test_a_list_that_is_to_do_something_is_a_wrong_usage(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    with Archive.to_write(tmp_path / "archive", AT_ONCE):
        pass

    refused = run("backup", tmp_path / "archive", "--list", *more)

    assert (refused.returncode, "--list changes nothing" in refused.stderr) == (2, True)


def test_a_bar_shows_the_progress_on_a_terminal_and_nowhere_else(
    site: Site, tmp_path: Path
) -> None:
    ours, terminal = pty.openpty()
    try:
        data = ("--data", site.data)
        url = database(site.server.database_url)
        process = start("backup", tmp_path / "1", *data, environment=url, errors=terminal)
        assert process.wait(GIVE_UP_SECONDS) == 0
        shown = os.read(ours, 100_000)
    finally:
        os.close(ours)
        os.close(terminal)
        process.communicate()

    elsewhere = site.backup(tmp_path / "2")

    assert b"copying blobs" in shown
    assert b"100%" in shown
    assert "copying blobs" not in elsewhere.stderr


def test_a_directory_inside_the_data_directory_is_refused(site: Site) -> None:
    refused = site.backup(site.data / "archive")

    assert refused.returncode == 1
    assert "the two must be apart" in refused.stderr
    assert not (site.data / "archive").exists()


def test_a_directory_of_something_else_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()

    refused = site.backup(tmp_path)

    expected = f"Error: {tmp_path} is no directory of backups: it holds 'photo.jpg'\n"
    assert (refused.returncode, refused.stderr) == (1, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_data_directory_that_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    url = database(site.server.database_url)

    refused = run("backup", tmp_path / "archive", "--data", tmp_path / "data", environment=url)

    expected = f"Error: there is no data directory {tmp_path / 'data'}\n"
    assert (refused.returncode, refused.stderr) == (1, expected)


def test_another_backup_to_the_same_place_is_waited_for_with_a_message_and_a_limit(
    site: Site,
) -> None:
    with Archive.to_write(site.archive, AT_ONCE):
        refused = site.backup(site.archive, "--wait-seconds", "1")

    assert refused.returncode == 1
    assert f"Waiting for another backup to {site.archive} to end.\n" in refused.stderr
    assert "is at work, and did not end within 1 seconds" in refused.stderr


def test_beside_a_backup_the_list_is_shown_and_a_restore_begins(
    site: Site, elsewhere: Path
) -> None:
    with Archive.to_write(site.archive, AT_ONCE), own_database() as url:
        listed = run("backup", site.archive, "--list", "--json")
        restored = run("restore", site.archive, "--data", elsewhere, environment=database(url))

    assert (listed.returncode, restored.returncode) == (0, 0), restored.stderr
    assert listed.stdout != ""


def test_a_restore_at_work_keeps_old_snapshots_and_not_the_backup(
    site: Site, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    said(site.backup(archive, "--json"))
    with Archive.to_read(archive, AT_ONCE):
        done = site.backup(archive, "--keep", "1", "--wait-seconds", "1", "--json")
        kept = len(Archive.to_list(archive).finished())
    later = said(site.backup(archive, "--keep", "1", "--json"))

    assert (said(done)["removed_snapshots"], kept) == (None, 2)
    assert f"Waiting for a restore from {archive} to end.\n" in done.stderr
    assert "Older snapshots stay for now: a restore" in done.stderr
    assert later["removed_snapshots"] == 2


def test_a_snapshot_that_makes_no_sense_hides_no_other_from_the_list(
    site: Site, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    names = [said(site.backup(archive, "--json"))["snapshot"] for _ in range(4)]
    files = [archive / "snapshots" / name / "snapshot.json" for name in names]
    files[0].write_bytes(b"")
    files[1].write_text(files[1].read_text().replace('"blobs": 1', '"blobs": 2'))
    files[2].unlink()

    listed = run("backup", archive, "--list", "--json")

    assert listed.returncode == 1
    assert [json.loads(line)["snapshot"] for line in listed.stdout.splitlines()] == names[3:]
    errors = listed.stderr.splitlines()
    named = [error.split()[1] for error in errors]
    assert named == [str(file) for file in files[:3]]


def test_a_sweep_at_work_is_waited_for_with_a_message_and_a_limit(site: Site) -> None:
    with psycopg.connect(site.server.metadata_url) as sweeping:
        sweeping.execute("SELECT pg_advisory_lock(1, hashtext('sweep'))")

        refused = site.backup(site.archive, "--wait-seconds", "1")

    assert refused.returncode == 1
    assert "Waiting for a sweep or another backup to end.\n" in refused.stderr
    assert "a sweep or another backup is at work, and did not end within 1 s" in refused.stderr


def test_a_rotten_blob_is_named_and_the_snapshot_is_made_without_it(
    site: Site, tmp_path: Path, elsewhere: Path
) -> None:
    blob = site.blob
    blob.write_bytes(b"x" + BODY[1:])

    made = site.backup(tmp_path / "archive", "--json")

    blob.write_bytes(BODY)
    shown = json.loads(made.stdout)
    refused = run("restore", tmp_path / "archive", "--data", elsewhere)
    assert made.returncode == 3
    assert shown["unusable"] == [f"{blob}: holds other bytes"]
    assert (shown["unusable_blobs"], shown["objects_without_bytes"]) == (1, 1)
    assert f"{blob}: holds other bytes\nIncomplete: the snapshot lacks these 1 " in made.stderr
    listed = run("backup", tmp_path / "archive", "--list", "--json")
    assert json.loads(listed.stdout).items() < shown.items()
    assert (refused.returncode, "1 objects needed one of 1" in refused.stderr) == (1, True)
    assert not elsewhere.exists()


def test_a_full_disk_is_said_in_one_line_and_the_next_backup_works(
    site: Site, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        filler = disk / "filler"
        said(site.backup(disk / "archive", "--json"))
        shutil.rmtree(disk / "archive")
        filler.write_bytes(b"x" * (free_bytes(disk) - 60_000))

        failed = site.backup(disk / "archive")

        filler.unlink()
        succeeded = site.backup(disk / "archive", "--json")
        listed = run("backup", disk / "archive", "--list").stdout.splitlines()
    assert failed.returncode == 1
    assert f"Error: {disk / 'archive'} is full; there is no new snapshot" in failed.stderr
    assert failed.stderr.count("Error") == 1
    assert said(succeeded)["copied_blobs"] == 1
    assert len(listed) == 1
