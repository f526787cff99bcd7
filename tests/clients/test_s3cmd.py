"""s3cmd: PyPI's version of today, and Debian's."""

import hashlib
import urllib.request
from pathlib import Path

import pytest

from tests.fix_clients import Boto, Program
from tests.fix_files import contents, write

pytestmark = pytest.mark.clients


def keys_of(boto: Boto, bucket: str) -> set[str]:
    return {held.key for held in boto.resource().Bucket(bucket).objects.all()}


def test_s3cmd_mb_ls_and_rb(s3cmd: Program, bucket: str) -> None:
    other = f"{bucket}-other"

    s3cmd("mb", f"s3://{other}")
    listed = s3cmd.text("ls")
    s3cmd("rb", f"s3://{other}")
    listed_afterwards = s3cmd.text("ls")

    assert f"s3://{other}" in listed
    assert f"s3://{other}" not in listed_afterwards


def test_s3cmd_put_and_get(s3cmd: Program, bucket: str, tmp_path: Path) -> None:
    source = write(tmp_path / "up +%é", b"0123456789")

    s3cmd("put", source, f"s3://{bucket}/a b/up +%é")
    s3cmd("get", f"s3://{bucket}/a b/up +%é", tmp_path / "down")

    assert (tmp_path / "down").read_bytes() == b"0123456789"


def test_s3cmd_put_by_parts(
    s3cmd: Program, bucket: str, boto: Boto, tame_folder: Path, tmp_path: Path
) -> None:
    source = tame_folder / "big/9-mib.bin"

    s3cmd("put", "--multipart-chunk-size-mb", "5", source, f"s3://{bucket}/big")
    s3cmd("get", f"s3://{bucket}/big", tmp_path / "down")

    assert (tmp_path / "down").read_bytes() == source.read_bytes()
    assert boto.client().head_object(Bucket=bucket, Key="big")["ETag"].endswith('-2"')


def test_s3cmd_sync_carries_a_folder_there_and_back(
    s3cmd: Program, bucket: str, tame_folder: Path, tmp_path: Path
) -> None:
    s3cmd("sync", f"{tame_folder}/", f"s3://{bucket}/folder/")
    s3cmd("sync", f"s3://{bucket}/folder/", f"{tmp_path / 'back'}/")

    assert contents(tmp_path / "back") == contents(tame_folder)


def test_s3cmd_sync_a_second_time_moves_nothing(
    s3cmd: Program, bucket: str, tame_folder: Path, tmp_path: Path
) -> None:
    s3cmd("sync", f"{tame_folder}/", f"s3://{bucket}/")
    s3cmd("sync", f"s3://{bucket}/", f"{tmp_path / 'back'}/")

    up_again = s3cmd.text("sync", f"{tame_folder}/", f"s3://{bucket}/")
    down_again = s3cmd.text("sync", f"s3://{bucket}/", f"{tmp_path / 'back'}/")

    assert "upload:" not in up_again
    assert "download:" not in down_again


def test_s3cmd_ls_shows_folders_and_sizes(s3cmd: Program, bucket: str, tmp_path: Path) -> None:
    source = write(tmp_path / "file", b"123")
    s3cmd("put", source, f"s3://{bucket}/a b/c")
    s3cmd("put", source, f"s3://{bucket}/top")

    listed = s3cmd.text("ls", f"s3://{bucket}")
    recursive = s3cmd.text("ls", "--recursive", f"s3://{bucket}")

    assert [line.split("s3://", 1)[1] for line in listed.splitlines()] == [
        f"{bucket}/a b/",
        f"{bucket}/top",
    ]
    assert [line.split()[2] for line in recursive.splitlines()] == ["3", "3"]


def test_s3cmd_del_of_one_key_and_of_all_below(
    s3cmd: Program, bucket: str, boto: Boto, tmp_path: Path
) -> None:
    source = write(tmp_path / "file", b"123")
    for key in ["one", "dir/+ %", "dir/é", "kept"]:
        s3cmd("put", source, f"s3://{bucket}/{key}")

    s3cmd("del", f"s3://{bucket}/one")
    s3cmd("del", "--recursive", f"s3://{bucket}/dir/")

    assert keys_of(boto, bucket) == {"kept"}


def test_s3cmd_info_tells_size_type_and_md5(s3cmd: Program, bucket: str, tmp_path: Path) -> None:
    source = write(tmp_path / "file", b"123")
    s3cmd("put", "--mime-type", "text/x-note", source, f"s3://{bucket}/key")

    told = s3cmd.text("info", f"s3://{bucket}/key")

    assert "File size: 3" in told
    assert "text/x-note" in told
    assert hashlib.md5(b"123").hexdigest() in told


def test_s3cmd_cp_and_mv(s3cmd: Program, bucket: str, boto: Boto, tmp_path: Path) -> None:
    s3cmd("put", write(tmp_path / "file", b"123"), f"s3://{bucket}/first +%")

    s3cmd("cp", f"s3://{bucket}/first +%", f"s3://{bucket}/second é")
    s3cmd("mv", f"s3://{bucket}/first +%", f"s3://{bucket}/third")
    s3cmd("get", f"s3://{bucket}/third", tmp_path / "down")

    assert keys_of(boto, bucket) == {"second é", "third"}
    assert (tmp_path / "down").read_bytes() == b"123"


def test_s3cmd_signurl_makes_an_address_that_anyone_can_read(
    s3cmd: Program, bucket: str, tmp_path: Path
) -> None:
    s3cmd("put", write(tmp_path / "file", b"shared"), f"s3://{bucket}/shared")

    url = s3cmd.text("signurl", f"s3://{bucket}/shared", "+60").strip()

    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"shared"


def test_s3cmd_with_sigv2_puts_and_gets(s3cmd: Program, bucket: str, tmp_path: Path) -> None:
    old = s3cmd.with_options("--signature-v2")

    old("put", write(tmp_path / "file", b"123"), f"s3://{bucket}/a b/key")
    old("get", f"s3://{bucket}/a b/key", tmp_path / "down")

    assert (tmp_path / "down").read_bytes() == b"123"
    assert f"s3://{bucket}/a b/" in old.text("ls", f"s3://{bucket}")


def test_s3cmd_multipart_lists_and_aborts_an_upload(
    s3cmd: Program, bucket: str, boto: Boto
) -> None:
    upload = boto.client().create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]

    listed = s3cmd.text("multipart", f"s3://{bucket}")
    s3cmd("abortmp", f"s3://{bucket}/never", upload)
    listed_afterwards = s3cmd.text("multipart", f"s3://{bucket}")

    assert upload in listed
    assert upload not in listed_afterwards
