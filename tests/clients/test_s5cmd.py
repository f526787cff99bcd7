"""s5cmd, many requests at once."""

from pathlib import Path

import pytest

from tests.fix_clients import Boto, Program
from tests.fix_files import contents, write

pytestmark = pytest.mark.clients


def keys_of(boto: Boto, bucket: str) -> set[str]:
    return {held.key for held in boto.resource().Bucket(bucket).objects.all()}


def test_s5cmd_mb_ls_and_rb(s5cmd: Program, bucket: str) -> None:
    other = f"{bucket}-other"

    s5cmd("mb", f"s3://{other}")
    listed = s5cmd.text("ls")
    s5cmd("rb", f"s3://{other}")
    listed_afterwards = s5cmd.text("ls")

    assert other in listed
    assert other not in listed_afterwards


def test_s5cmd_cp_carries_a_folder_there_and_back(
    s5cmd: Program, bucket: str, tame_folder: Path, tmp_path: Path
) -> None:
    s5cmd("cp", f"{tame_folder}/", f"s3://{bucket}/folder/")
    s5cmd("cp", f"s3://{bucket}/folder/*", f"{tmp_path / 'back'}/")

    assert contents(tmp_path / "back") == contents(tame_folder)


def test_s5cmd_sync_a_second_time_moves_nothing(
    s5cmd: Program, bucket: str, tame_folder: Path, tmp_path: Path
) -> None:
    first = s5cmd.text("sync", f"{tame_folder}/", f"s3://{bucket}/")
    s5cmd("sync", f"s3://{bucket}/*", f"{tmp_path / 'back'}/")

    up_again = s5cmd.text("sync", f"{tame_folder}/", f"s3://{bucket}/")
    down_again = s5cmd.text("sync", f"s3://{bucket}/*", f"{tmp_path / 'back'}/")

    assert len(first.splitlines()) == len(contents(tame_folder))
    assert contents(tmp_path / "back") == contents(tame_folder)
    assert (up_again, down_again) == ("", "")


def test_s5cmd_cat(s5cmd: Program, bucket: str, tmp_path: Path) -> None:
    s5cmd("cp", write(tmp_path / "file", b"\x00\xff body"), f"s3://{bucket}/key")

    assert s5cmd("cat", f"s3://{bucket}/key").stdout == b"\x00\xff body"


def test_s5cmd_pipe_uploads_what_it_reads(s5cmd: Program, bucket: str) -> None:
    s5cmd("pipe", f"s3://{bucket}/piped", stdin=b"through a pipe")

    assert s5cmd("cat", f"s3://{bucket}/piped").stdout == b"through a pipe"


def test_s5cmd_cp_from_key_to_key_with_a_space_and_a_plus(
    s5cmd: Program, bucket: str, boto: Boto, tmp_path: Path
) -> None:
    """s5cmd form-encodes x-amz-copy-source: a space is sent as "+", a plus as "%2B"."""
    s5cmd("cp", write(tmp_path / "file", b"body"), f"s3://{bucket}/a b+c%")

    s5cmd("cp", f"s3://{bucket}/a b+c%", f"s3://{bucket}/copy")

    assert keys_of(boto, bucket) == {"a b+c%", "copy"}
    assert s5cmd("cat", f"s3://{bucket}/copy").stdout == b"body"


def test_s5cmd_mv_leaves_the_object_at_its_new_key_alone(
    s5cmd: Program, bucket: str, boto: Boto, tmp_path: Path
) -> None:
    s5cmd("cp", write(tmp_path / "file", b"body"), f"s3://{bucket}/old")

    s5cmd("mv", f"s3://{bucket}/old", f"s3://{bucket}/new")

    assert keys_of(boto, bucket) == {"new"}


def test_s5cmd_rm_with_a_wildcard_takes_what_it_matches(
    s5cmd: Program, bucket: str, boto: Boto, tmp_path: Path
) -> None:
    for name in ["logs/1.log", "logs/2.log", "logs/+ %é.log", "logs/kept.txt", "kept.log"]:
        write(tmp_path / "folder" / name, b"body")
    s5cmd("cp", f"{tmp_path / 'folder'}/", f"s3://{bucket}/")

    listed = s5cmd.text("ls", f"s3://{bucket}/logs/*.log")
    s5cmd("rm", f"s3://{bucket}/logs/*.log")

    assert len(listed.splitlines()) == 3
    assert keys_of(boto, bucket) == {"logs/kept.txt", "kept.log"}


def test_s5cmd_uploads_by_parts(s5cmd: Program, bucket: str, boto: Boto, tame_folder: Path) -> None:
    source = tame_folder / "big/9-mib.bin"

    s5cmd("cp", "--part-size", "5", source, f"s3://{bucket}/big")

    assert s5cmd("cat", f"s3://{bucket}/big").stdout == source.read_bytes()
    assert boto.client().head_object(Bucket=bucket, Key="big")["ETag"].endswith('-2"')
