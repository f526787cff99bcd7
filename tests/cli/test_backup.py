"""s3d backup and s3d restore as an operator runs them, beside a server and without one."""

import fcntl
import hashlib
import json
import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from server.blobs.archive import Archive
from server.metadata.embedded import EmbeddedPostgres
from tests.commands import GIVE_UP_SECONDS, database, run, start
from tests.fix_server import RunningServer, own_database, running_server
from tests.invariants import broken

BODY = os.urandom(100_000)


@dataclass(frozen=True)
class Site:
    """A server with one object, an account, and a directory for its backups."""

    server: RunningServer
    archive: Path
    alice: dict[str, Any]

    @property
    def data(self) -> Path:
        assert self.server.data is not None
        return self.server.data

    @property
    def blob(self) -> Path:
        """The file of the object that is large."""
        name = hashlib.sha256(BODY).hexdigest()
        return self.data / "blobs" / name[:2] / name

    def backup(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        url = database(self.server.database_url)
        return run("backup", *arguments, "--data", self.data, environment=url)


def client(server: RunningServer, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )


def client_of_alice(site: Site, server: RunningServer) -> Any:
    return client(server, site.alice["access_key"], site.alice["secret_key"])


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    with own_database() as url, running_server(directory, database_url=url) as server:
        data = str(server.data)
        create = ("account", "create", "alice", "--data", data, "--json")
        alice = said(run(*create, environment=database(url)))
        site = Site(server, directory / "archive", alice)
        s3 = client_of_alice(site, server)
        s3.create_bucket(Bucket="photos")
        s3.put_object(Bucket="photos", Key="large", Body=BODY)
        s3.put_object(Bucket="photos", Key="small", Body=b"small", Metadata={"colour": "blue"})
        (site.data / "root-credentials").touch(0o600)
        (site.data / "root-credentials").write_text("kept\n")
        said(site.backup(site.archive, "--json"))
        yield site


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A data directory that does not exist yet; no PostgreSQL is left behind."""
    data = tmp_path / "data"
    yield data
    if (data / "postgres" / "data").exists():
        with EmbeddedPostgres(data / "postgres"):
            pass


@contextmanager
def small_disk(mount: Path) -> Iterator[Path]:
    """Yield a file system of a few MiB of its own; only root can make one."""
    if os.geteuid() != 0:
        pytest.skip("NOT RUN: only root mounts a file system")
    mount.mkdir()
    options = ["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]
    mounted = subprocess.run(["mount", *options, mount], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"NOT RUN: {mounted.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


def free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def test_a_restored_server_serves_what_the_first_one_did(site: Site, elsewhere: Path) -> None:
    with own_database() as url:
        restored = run(
            "restore", site.archive, "--data", elsewhere, "--json", environment=database(url)
        )

        with running_server(elsewhere.parent, database_url=url) as twin:
            s3 = client_of_alice(site, twin)
            large = s3.get_object(Bucket="photos", Key="large")["Body"].read()
            small = s3.get_object(Bucket="photos", Key="small")
            s3.put_object(Bucket="photos", Key="new", Body=b"new")
            problems = broken(twin.metadata_url, elsewhere / "blobs")

    assert said(restored)["copied_blobs"] == 1
    assert large == BODY
    assert (small["Body"].read(), small["Metadata"]) == (b"small", {"colour": "blue"})
    assert problems == []
    credentials = elsewhere / "root-credentials"
    assert credentials.read_text() == "kept\n"
    assert credentials.stat().st_mode & 0o777 == 0o600


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

    assert (refused.returncode, "0<=x<=604800" in refused.stderr) == (2, True)


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

    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_data_directory_that_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    url = database(site.server.database_url)

    refused = run("backup", tmp_path / "archive", "--data", tmp_path / "data", environment=url)

    assert (refused.returncode, "is no blob directory" in refused.stderr) == (1, True)


def test_a_second_backup_beside_the_first_says_so(site: Site) -> None:
    with Archive.to_write(site.archive):
        refused = site.backup(site.archive)

    assert (refused.returncode, "is running" in refused.stderr) == (1, True)


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


def test_a_data_directory_that_is_in_use_is_refused_before_a_byte_is_written(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").touch()

    refused = run("restore", site.archive, "--data", tmp_path)
    of_the_server = run("restore", site.archive, "--data", site.data)

    assert (refused.returncode, of_the_server.returncode) == (1, 1)
    assert "is not empty: it holds 'photo.jpg'" in refused.stderr
    assert "is not empty" in of_the_server.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_database_that_is_in_use_is_refused_before_a_byte_is_written(
    site: Site, elsewhere: Path
) -> None:
    in_use = {"S3D_DATABASE_URL": site.server.metadata_url}

    refused = run("restore", site.archive, "--data", elsewhere, environment=in_use)

    assert (refused.returncode, refused.stderr) == (1, "Error: the database is not empty\n")
    assert not elsewhere.exists()


def test_an_archive_is_restored_somewhere_else(site: Site) -> None:
    refused = run("restore", site.archive, "--data", site.archive / "data")

    assert (refused.returncode, "must be apart" in refused.stderr) == (1, True)


def test_a_directory_that_a_server_uses_is_refused(
    site: Site, elsewhere: Path, empty_database_url: str
) -> None:
    """Servers share a directory; a restore is alone in it."""
    elsewhere.mkdir()
    with (elsewhere / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)

        refused = run(
            "restore",
            site.archive,
            "--data",
            elsewhere,
            environment={"S3D_DATABASE_URL": empty_database_url},
        )

    assert (refused.returncode, "another s3d serves" in refused.stderr) == (1, True)
    assert [path.name for path in elsewhere.iterdir()] == ["lock"]


def test_until_a_restore_has_come_to_its_end_no_server_starts_and_it_can_go_on(
    site: Site, elsewhere: Path
) -> None:
    name = hashlib.sha256(BODY).hexdigest()
    blob = site.archive / "blobs" / name[:2] / name
    blob.rename(blob.with_suffix(".aside"))
    with own_database() as url:
        environment = database(url)
        again = ("restore", site.archive, "--data", elsewhere)
        failed = run(*again, environment=environment)
        blob.with_suffix(".aside").rename(blob)

        refused = [
            run("serve", elsewhere, "--address", "127.0.0.1:0", environment=environment),
            run("account", "list", "--data", elsewhere, environment=environment),
            run("backup", elsewhere.parent / "other", "--data", elsewhere, environment=environment),
            run(*again, "--snapshot", "20200101T000000Z", environment=environment),
        ]
        succeeded = run(*again, environment=environment)
        listed = run("account", "list", "--data", elsewhere, "--json", environment=environment)

    assert failed.returncode == 1
    assert f"{blob}: is missing\n" in failed.stderr
    assert "nothing is in the database" in failed.stderr
    assert [each.returncode for each in refused] == [1, 1, 1, 1]
    for each in refused[:3]:
        assert "has not come to its end; run s3d restore again" in each.stderr
    assert succeeded.returncode == 0, succeeded.stderr
    accounts = [json.loads(line)["account"] for line in listed.stdout.splitlines()]
    assert accounts == ["alice", "root"]
    assert not (elsewhere / "restoring").exists()


def test_a_restore_of_one_snapshot_is_not_gone_on_with_by_another(
    site: Site, elsewhere: Path
) -> None:
    elsewhere.mkdir()
    (elsewhere / "restoring").write_text("20200101T000000Z\n")

    refused = run("restore", site.archive, "--data", elsewhere)

    assert refused.returncode == 1
    assert "go on with --snapshot 20200101T000000Z" in refused.stderr


def test_without_a_server_the_embedded_postgresql_is_started_and_stopped(
    site: Site, elsewhere: Path, tmp_path: Path
) -> None:
    assert run("restore", site.archive, "--data", elsewhere).returncode == 0

    done = said(run("backup", tmp_path / "archive", "--data", elsewhere, "--json"))

    assert (done["objects"], done["copied_blobs"]) == (2, 1)
    assert not (elsewhere / "postgres" / "data" / "postmaster.pid").exists()
