"""s3d restore as an operator runs it."""

import fcntl
import hashlib
import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.cli.sites import BODY, Site, client_of_alice, said
from tests.commands import database, run
from tests.fix_server import own_database, running_server
from tests.invariants import broken


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


def test_a_file_is_no_data_directory(site: Site, tmp_path: Path) -> None:
    (tmp_path / "afile").touch()

    refused = run("restore", site.archive, "--data", tmp_path / "afile")

    expected = f"Error: {tmp_path / 'afile'} is a file, not a directory\n"
    assert (refused.returncode, refused.stderr) == (1, expected)


def test_an_empty_word_is_no_archive(elsewhere: Path) -> None:
    refused = run("restore", "", "--data", elsewhere)

    assert (refused.returncode, "a path cannot be empty" in refused.stderr) == (2, True)


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


def test_without_its_lost_bytes_a_server_lists_its_keys_and_takes_them_anew(
    site: Site, elsewhere: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    site.blob.write_bytes(b"x" + BODY[1:])
    assert site.backup(archive).returncode == 3
    site.blob.write_bytes(BODY)
    with own_database() as url:
        restore = ("restore", archive, "--data", elsewhere, "--json")
        refused = run(*restore, environment=database(url))

        restored = run(*restore, "--without-unusable", environment=database(url))

        with running_server(elsewhere.parent, database_url=url) as twin:
            s3 = client_of_alice(site, twin)
            keys = [each["Key"] for each in s3.list_objects_v2(Bucket="photos")["Contents"]]
            small = s3.get_object(Bucket="photos", Key="small")["Body"].read()
            with pytest.raises(ClientError) as read:
                s3.get_object(Bucket="photos", Key="large")
            checked = run("check", "--data", elsewhere, environment=database(url))
            s3.put_object(Bucket="photos", Key="large", Body=BODY)
            large = s3.get_object(Bucket="photos", Key="large")["Body"].read()
            problems = broken(twin.metadata_url, elsewhere / "blobs")
    assert (refused.returncode, restored.returncode) == (1, 3)
    assert "--without-unusable restores all else\n" in refused.stderr
    lost, summary = map(json.loads, restored.stdout.splitlines())
    assert lost.items() >= {"bucket": "photos", "key": "large", "version_id": "null"}.items()
    assert (summary["unusable_blobs"], summary["objects_without_bytes"]) == (1, 1)
    assert restored.stderr.endswith(": is missing\n")
    assert (keys, small) == (["large", "small"], b"small")
    assert read.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert (checked.returncode, site.blob.name in checked.stdout) == (1, True)
    assert (large, problems) == (BODY, [])


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\n", b"2020\n"], ids=["empty", "bytes", "half"])
def test_a_note_of_a_restore_that_is_rotten_is_refused_in_a_sentence(
    site: Site, elsewhere: Path, text: bytes
) -> None:
    elsewhere.mkdir()
    (elsewhere / "restoring").write_bytes(text)

    refused = run("restore", site.archive, "--data", elsewhere)

    expected = f"{elsewhere}/restoring names no snapshot; empty the directory and the database"
    assert (refused.returncode, refused.stderr) == (1, f"Error: {expected}\n")


def test_without_a_server_the_embedded_postgresql_is_started_and_stopped(
    site: Site, elsewhere: Path, tmp_path: Path
) -> None:
    assert run("restore", site.archive, "--data", elsewhere).returncode == 0

    done = said(run("backup", tmp_path / "archive", "--data", elsewhere, "--json"))

    assert (done["objects"], done["copied_blobs"]) == (2, 1)
    assert not (elsewhere / "postgres" / "data" / "postmaster.pid").exists()
