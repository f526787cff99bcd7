"""Standard output that takes nothing, as on a full disk, and one that nobody reads any more."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.cli.stopped import PROJECT, Stopped, clean_environment

FULL = "cannot write to standard output: No space left on device"


def printed_to(stdout: BinaryIO | int, stopped: Stopped, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        stopped.command(*arguments),
        cwd=PROJECT,
        env=clean_environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def printed_to_a_full_disk(stopped: Stopped, *arguments: str) -> tuple[int, str]:
    with Path("/dev/full").open("wb") as full:
        return printed_to(full, stopped, *arguments)


def printed_to_nobody(stopped: Stopped, *arguments: str) -> tuple[int, str]:
    theirs, ours = os.pipe()
    os.close(theirs)
    try:
        return printed_to(ours, stopped, *arguments)
    finally:
        os.close(ours)


@pytest.mark.parametrize(
    "command",
    [("check",), ("check", "--json"), ("sweep",), ("key", "list", "alice")],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_one_line_and_status_1(
    stopped: Stopped, command: Sequence[str]
) -> None:
    assert stopped.run("account", "create", "alice").returncode == 0

    assert printed_to_a_full_disk(stopped, *command) == (1, f"Error: {FULL}\n")


@pytest.mark.parametrize("command", ["account", "key"])
def test_a_key_whose_secret_could_not_be_shown_is_named(stopped: Stopped, command: str) -> None:
    assert stopped.run("account", "create", "alice").returncode == 0
    name = {"account": "bob", "key": "alice"}[command]

    status, said = printed_to_a_full_disk(stopped, command, "create", name)

    found = re.fullmatch(
        rf"Error: {FULL}. The key (\w+) exists now, and its secret was lost: remove it with s3d key"
        r" remove, and make another with s3d key create\n",
        said,
    )
    assert status == 1
    assert found, said
    keys = stopped.run("key", "list", name, "--json").stdout.splitlines()
    assert found[1] in [json.loads(line)["access_key"] for line in keys]


def test_a_reader_that_went_away_is_no_error(stopped: Stopped) -> None:
    """As head(1) does once it has its lines."""
    assert printed_to_nobody(stopped, "check") == (1, "")


def test_a_key_whose_secret_nobody_read_is_named(stopped: Stopped) -> None:
    status, said = printed_to_nobody(stopped, "account", "create", "alice")

    assert status == 1
    assert said.startswith("Error: nobody reads standard output. The key ")
