"""What is in the place of a data directory, and is none that can be used."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.disks import mounted_read_only
from tests.cli.stopped import copied
from tests.commands import run


@pytest.mark.parametrize("name", ["data", "data/postgres"])
@pytest.mark.parametrize("command", [("serve",), ("account", "list", "--data")], ids=" ".join)
def test_a_file_in_the_place_of_a_directory_is_said_to_be_one(
    tmp_path: Path, command: Sequence[str], name: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()

    refused = run(*command, tmp_path / "data")

    expected = f"Error: {file} is a file, not a directory\n"
    assert (refused.returncode, refused.stderr) == (1, expected)
    assert not (tmp_path / "data" / "lock").exists()


def test_a_disk_that_takes_no_writes_is_said_to_be_one(tmp_path: Path, template: Path) -> None:
    data = tmp_path / "data"
    copied(template, data)
    (data / "postgres" / "data").mkdir(parents=True)
    with mounted_read_only(data):
        refused = run("check", "--data", data)

    expected = f"Error: the PostgreSQL in {data}/postgres cannot be used: Read-only file system\n"
    assert (refused.returncode, refused.stderr) == (1, expected)
