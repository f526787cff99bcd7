"""rclone: PyPI's build of today's version, and Debian's."""

import re
from pathlib import Path

import pytest

from tests.fix_clients import Boto, Program
from tests.fix_files import contents, write

pytestmark = pytest.mark.clients


def sync(rclone: Program, source: str | Path, target: str | Path) -> str:
    """Run rclone sync and return its final statistics."""
    done = rclone("sync", source, target, "--stats-log-level", "NOTICE", "--stats", "1h")
    return done.stderr.decode()


def files_moved(statistics: str) -> int:
    """Read the line "Transferred: 44 / 44, 100%"; there is none where no file moved."""
    counts = re.findall(r"Transferred:\s+([0-9]+) / [0-9]+, ", statistics)
    return int(counts[-1]) if counts else 0


def test_rclone_sync_carries_a_folder_there_and_back(
    rclone: Program, bucket: str, hostile_folder: Path, tmp_path: Path
) -> None:
    sync(rclone, hostile_folder, f"s3:{bucket}/folder")
    sync(rclone, f"s3:{bucket}/folder", tmp_path / "back")

    assert contents(tmp_path / "back") == contents(hostile_folder)


def test_rclone_sync_a_second_time_moves_nothing(
    rclone: Program, bucket: str, hostile_folder: Path, tmp_path: Path
) -> None:
    first = sync(rclone, hostile_folder, f"s3:{bucket}")
    sync(rclone, f"s3:{bucket}", tmp_path / "back")

    up_again = sync(rclone, hostile_folder, f"s3:{bucket}")
    down_again = sync(rclone, f"s3:{bucket}", tmp_path / "back")

    assert files_moved(first) == len(contents(hostile_folder))
    assert (files_moved(up_again), files_moved(down_again)) == (0, 0)


def test_rclone_check_compares_every_byte(
    rclone: Program, bucket: str, hostile_folder: Path
) -> None:
    sync(rclone, hostile_folder, f"s3:{bucket}")

    rclone("check", hostile_folder, f"s3:{bucket}")
    rclone("check", "--download", hostile_folder, f"s3:{bucket}")


def test_rclone_uploads_by_parts(
    rclone: Program, bucket: str, boto: Boto, hostile_folder: Path
) -> None:
    by_parts = rclone.with_options("--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M")

    sync(by_parts, hostile_folder, f"s3:{bucket}")

    etag = boto.client().head_object(Bucket=bucket, Key="big/9-mib.bin")["ETag"]
    assert etag.endswith('-2"')
    by_parts("check", "--download", hostile_folder, f"s3:{bucket}")


def test_rclone_sync_from_bucket_to_bucket_copies_on_the_server(
    rclone: Program, bucket: str, hostile_folder: Path
) -> None:
    sync(rclone, hostile_folder, f"s3:{bucket}/from")

    sync(rclone, f"s3:{bucket}/from", f"s3:{bucket}/to")

    rclone("check", "--download", hostile_folder, f"s3:{bucket}/to")


def test_rclone_sync_deletes_what_the_source_lost(
    rclone: Program, bucket: str, tmp_path: Path
) -> None:
    write(tmp_path / "folder/kept", b"kept")
    lost = write(tmp_path / "folder/lost +%", b"lost")
    sync(rclone, tmp_path / "folder", f"s3:{bucket}")
    lost.unlink()

    sync(rclone, tmp_path / "folder", f"s3:{bucket}")

    assert rclone.text("lsf", "-R", f"s3:{bucket}") == "kept\n"


def test_rclone_mkdir_lsd_and_purge_of_a_bucket(rclone: Program, bucket: str) -> None:
    other = f"{bucket}-other"
    rclone("mkdir", f"s3:{other}")
    rclone("rcat", f"s3:{other}/a/b", stdin=b"body")

    listed = rclone.text("lsf", "s3:")
    rclone("purge", f"s3:{other}")
    listed_afterwards = rclone.text("lsf", "s3:")

    assert f"{other}/" in listed.splitlines()
    assert f"{other}/" not in listed_afterwards.splitlines()


def test_rclone_rcat_and_cat(rclone: Program, bucket: str) -> None:
    rclone("rcat", f"s3:{bucket}/piped", stdin=b"through a pipe\x00\xff")

    assert rclone("cat", f"s3:{bucket}/piped").stdout == b"through a pipe\x00\xff"


def test_rclone_moveto_renames(rclone: Program, bucket: str) -> None:
    rclone("rcat", f"s3:{bucket}/old +", stdin=b"moved")

    rclone("moveto", f"s3:{bucket}/old +", f"s3:{bucket}/new %")

    assert rclone.text("lsf", f"s3:{bucket}") == "new %\n"
    assert rclone("cat", f"s3:{bucket}/new %").stdout == b"moved"


def test_rclone_of_provider_minio_carries_a_folder_there_and_back(
    rclone_minio: Program, bucket: str, hostile_folder: Path, tmp_path: Path
) -> None:
    sync(rclone_minio, hostile_folder, f"s3:{bucket}")
    sync(rclone_minio, f"s3:{bucket}", tmp_path / "back")

    again = sync(rclone_minio, hostile_folder, f"s3:{bucket}")

    assert contents(tmp_path / "back") == contents(hostile_folder)
    assert files_moved(again) == 0


def test_rclone_of_provider_aws_carries_a_folder_there_and_back(
    rclone_aws: Program, hostile_folder: Path, tmp_path: Path
) -> None:
    sync(rclone_aws, hostile_folder, "s3:provider-aws")
    sync(rclone_aws, "s3:provider-aws", tmp_path / "back")

    again = sync(rclone_aws, hostile_folder, "s3:provider-aws")

    assert contents(tmp_path / "back") == contents(hostile_folder)
    assert files_moved(again) == 0


def test_rclone_with_virtual_hosts_carries_a_folder_there_and_back(
    rclone_virtual_hosts: Program, bucket: str, hostile_folder: Path, tmp_path: Path
) -> None:
    sync(rclone_virtual_hosts, hostile_folder, f"s3:{bucket}")
    sync(rclone_virtual_hosts, f"s3:{bucket}", tmp_path / "back")

    again = sync(rclone_virtual_hosts, hostile_folder, f"s3:{bucket}")

    assert contents(tmp_path / "back") == contents(hostile_folder)
    assert files_moved(again) == 0
