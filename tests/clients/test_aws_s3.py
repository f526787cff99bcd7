"""`aws s3`: the commands that people use every day, both versions of the program."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fix_clients import Boto, Program
from tests.fix_files import MIB, contents, write

pytestmark = pytest.mark.clients


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    """20 MiB and a byte: three parts of 8 MiB, the last one short."""
    return write(tmp_path / "big.bin", bytes(range(256)) * (20 * MIB // 256) + b"!")


def keys_of(boto: Boto, bucket: str) -> set[str]:
    return {held.key for held in boto.resource().Bucket(bucket).objects.all()}


def test_aws_s3_mb_makes_a_bucket_and_rb_removes_it(aws: Program, bucket: str) -> None:
    other = f"{bucket}-other"

    made = aws.text("s3", "mb", f"s3://{other}")
    listed = aws.text("s3", "ls")
    removed = aws.text("s3", "rb", f"s3://{other}")
    listed_afterwards = aws.text("s3", "ls")

    assert (made, removed) == (f"make_bucket: {other}\n", f"remove_bucket: {other}\n")
    assert other in listed
    assert other not in listed_afterwards


def test_aws_s3_rb_refuses_a_bucket_that_is_not_empty(aws: Program, bucket: str) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/kept", stdin=b"kept")

    refused = aws("s3", "rb", f"s3://{bucket}", check=False)

    assert refused.returncode != 0
    assert b"BucketNotEmpty" in refused.stderr


def test_aws_s3_rb_force_empties_the_bucket_first(aws: Program, bucket: str, boto: Boto) -> None:
    other = f"{bucket}-other"
    aws("s3", "mb", f"s3://{other}")
    aws("s3", "cp", "-", f"s3://{other}/a//b", stdin=b"body")

    aws("s3", "rb", f"s3://{other}", "--force")

    assert other not in {held.name for held in boto.resource().buckets.all()}


def test_aws_s3_cp_from_stdin_and_to_stdout(aws: Program, bucket: str) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/piped", stdin=b"through a pipe\x00\xff")

    read = aws("s3", "cp", f"s3://{bucket}/piped", "-")

    assert read.stdout == b"through a pipe\x00\xff"


def test_aws_s3_cp_of_a_large_file_up_and_down(
    aws: Program, bucket: str, boto: Boto, big_file: Path, tmp_path: Path
) -> None:
    aws("s3", "cp", big_file, f"s3://{bucket}/big.bin")
    aws("s3", "cp", f"s3://{bucket}/big.bin", tmp_path / "down.bin")

    etag = boto.client().head_object(Bucket=bucket, Key="big.bin")["ETag"]
    assert (tmp_path / "down.bin").read_bytes() == big_file.read_bytes()
    assert etag.endswith('-3"')


def test_aws_s3_cp_of_a_large_stream_from_stdin(aws: Program, bucket: str, big_file: Path) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/stream", stdin=big_file.read_bytes())

    read = aws("s3", "cp", f"s3://{bucket}/stream", "-")

    assert read.stdout == big_file.read_bytes()


def test_aws_s3_cp_from_key_to_key_keeps_what_is_told_about_the_object(
    aws: Program, bucket: str, boto: Boto
) -> None:
    source = f"s3://{bucket}/from +%#?.txt"
    aws(
        "s3", "cp", "-", source, "--content-type", "text/x-note", "--metadata", "k=v", stdin=b"note"
    )

    aws("s3", "cp", source, f"s3://{bucket}/to +%#?.txt")

    copied = boto.client().get_object(Bucket=bucket, Key="to +%#?.txt")
    assert copied["Body"].read() == b"note"
    assert (copied["ContentType"], copied["Metadata"]) == ("text/x-note", {"k": "v"})


def test_aws_s3_cp_from_key_to_key_of_a_large_object_copies_by_parts(
    aws: Program, bucket: str, boto: Boto, big_file: Path
) -> None:
    aws("s3", "cp", big_file, f"s3://{bucket}/from")

    aws("s3", "cp", f"s3://{bucket}/from", f"s3://{bucket}/to")

    copied = boto.client().get_object(Bucket=bucket, Key="to")
    assert copied["Body"].read() == big_file.read_bytes()
    assert copied["ETag"].endswith('-3"')


@pytest.mark.parametrize("aws", ["v2"], indirect=True)
def test_aws_s3_cp_of_a_large_object_keeps_its_metadata_since_version_2(
    aws: Program, bucket: str, boto: Boto, big_file: Path
) -> None:
    """Version 2 asks for the object's tags too before it copies by parts (--copy-props)."""
    aws("s3", "cp", big_file, f"s3://{bucket}/from", "--metadata", "k=v")

    aws("s3", "cp", f"s3://{bucket}/from", f"s3://{bucket}/to")

    assert boto.client().head_object(Bucket=bucket, Key="to")["Metadata"] == {"k": "v"}


@pytest.mark.parametrize("aws", ["v2"], indirect=True)
@pytest.mark.parametrize(
    "value", [pytest.param("blue sky", id="in the header"), pytest.param("é" * 250, id="too long")]
)
def test_aws_s3_mv_of_a_large_object_takes_its_tags_along_since_version_2(
    aws: Program, bucket: str, boto: Boto, big_file: Path, value: str
) -> None:
    """Version 2 sends tags of up to 2 KiB when it creates the upload, others in the end."""
    tag_set = [{"Key": "kéy", "Value": value}, {"Key": "z", "Value": value}]
    aws("s3", "cp", big_file, f"s3://{bucket}/old")
    boto.client().put_object_tagging(Bucket=bucket, Key="old", Tagging={"TagSet": tag_set})

    aws("s3", "mv", f"s3://{bucket}/old", f"s3://{bucket}/new")

    assert keys_of(boto, bucket) == {"new"}
    assert boto.client().get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == tag_set


def test_aws_s3_mv_leaves_the_object_at_its_new_key_alone(
    aws: Program, bucket: str, boto: Boto
) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/old", stdin=b"moved")

    aws("s3", "mv", f"s3://{bucket}/old", f"s3://{bucket}/new")

    assert keys_of(boto, bucket) == {"new"}
    assert aws("s3", "cp", f"s3://{bucket}/new", "-").stdout == b"moved"


def test_aws_s3_mv_to_a_file_takes_the_object_away(
    aws: Program, bucket: str, boto: Boto, tmp_path: Path
) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/old", stdin=b"moved")

    aws("s3", "mv", f"s3://{bucket}/old", tmp_path / "new")

    assert keys_of(boto, bucket) == set()
    assert (tmp_path / "new").read_bytes() == b"moved"


def test_aws_s3_sync_carries_a_folder_there_and_back(
    aws: Program, bucket: str, hostile_folder: Path, tmp_path: Path
) -> None:
    aws("s3", "sync", hostile_folder, f"s3://{bucket}/folder")
    aws("s3", "sync", f"s3://{bucket}/folder", tmp_path / "back")

    assert contents(tmp_path / "back") == contents(hostile_folder)


def test_aws_s3_sync_a_second_time_moves_nothing(
    aws: Program, bucket: str, hostile_folder: Path, tmp_path: Path
) -> None:
    aws("s3", "sync", hostile_folder, f"s3://{bucket}")
    aws("s3", "sync", f"s3://{bucket}", tmp_path / "back")

    up_again = aws.text("s3", "sync", hostile_folder, f"s3://{bucket}")
    down_again = aws.text("s3", "sync", f"s3://{bucket}", tmp_path / "back")

    assert (up_again, down_again) == ("", "")


def test_aws_s3_sync_delete_removes_what_the_folder_lost(
    aws: Program, bucket: str, boto: Boto, tmp_path: Path
) -> None:
    write(tmp_path / "folder/kept", b"kept")
    lost = write(tmp_path / "folder/lost +%", b"lost")
    aws("s3", "sync", tmp_path / "folder", f"s3://{bucket}")
    lost.unlink()

    aws("s3", "sync", tmp_path / "folder", f"s3://{bucket}", "--delete")

    assert keys_of(boto, bucket) == {"kept"}


def test_aws_s3_sync_from_bucket_to_bucket(
    aws: Program, bucket: str, boto: Boto, hostile_folder: Path
) -> None:
    aws("s3", "sync", hostile_folder, f"s3://{bucket}/from")

    aws("s3", "sync", f"s3://{bucket}/from", f"s3://{bucket}/to")

    keys = keys_of(boto, bucket)
    assert {key.removeprefix("to/") for key in keys if key.startswith("to/")} == set(
        contents(hostile_folder)
    )


def test_aws_s3_cp_recursive_and_rm_recursive(
    aws: Program, bucket: str, boto: Boto, hostile_folder: Path, tmp_path: Path
) -> None:
    aws("s3", "cp", hostile_folder, f"s3://{bucket}/folder", "--recursive")
    aws("s3", "cp", f"s3://{bucket}/folder", tmp_path / "back", "--recursive")
    aws("s3", "cp", "-", f"s3://{bucket}/beside", stdin=b"kept")
    aws("s3", "rm", f"s3://{bucket}/folder", "--recursive")

    assert contents(tmp_path / "back") == contents(hostile_folder)
    assert keys_of(boto, bucket) == {"beside"}


def test_aws_s3_ls_shows_folders_and_sizes(aws: Program, bucket: str) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/a b/c", stdin=b"123")
    aws("s3", "cp", "-", f"s3://{bucket}/top", stdin=b"12345")

    listed = aws.text("s3", "ls", f"s3://{bucket}")
    summary = aws.text("s3", "ls", f"s3://{bucket}", "--recursive", "--summarize")

    assert [line.split()[-2:] for line in listed.splitlines()] == [["a", "b/"], ["5", "top"]]
    assert "Total Objects: 2" in summary
    assert "Total Size: 8" in summary


def test_aws_s3_presign_makes_an_address_that_anyone_can_read(aws: Program, bucket: str) -> None:
    aws("s3", "cp", "-", f"s3://{bucket}/shared +%.txt", stdin=b"shared")

    url = aws.text("s3", "presign", f"s3://{bucket}/shared +%.txt", "--expires-in", "60").strip()

    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"shared"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("shared", "hidden"))


def test_aws_s3_cp_of_a_missing_key_says_so(aws: Program, bucket: str, tmp_path: Path) -> None:
    refused = aws("s3", "cp", f"s3://{bucket}/missing", tmp_path / "missing", check=False)

    assert refused.returncode != 0
    assert b"404" in refused.stderr
