"""A test of the tests: each fault is put into a copy of the tree, and its test must fail there.

That it passes where nothing is seeded is what the rest of the run shows.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import fix_totals
from tests.crash.faults import FAULTS, ON_FILES, Fault
from tests.fix_server import PROJECT
from tests.fix_totals import FULL, Count, not_run

pytestmark = [pytest.mark.crash, pytest.mark.slow]

COPIED = ("server", "sigv4", "xml_responses", "tests", "schema.sql", "pyproject.toml")
# Also of those that start a server: a test that hangs for its fault is not what was asked for.
LIMIT_SECONDS = 180
SEEDED = FAULTS if FULL else ON_FILES[:3]


@pytest.mark.parametrize("fault", SEEDED, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_caught(fault: Fault, tmp_path: Path, count: Count) -> None:
    tree = tmp_path / "tree"
    copy_of_the_source(tree)
    seed(tree, fault)

    ended = run_in(tree, fault.caught_by, tmp_path / "run")

    if missing := re.search(r"NOT RUN: .*", ended.stdout):
        pytest.skip(not_run(fix_totals.FAULTS, missing[0].removeprefix("NOT RUN: ")))
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout
    assert fault.caught_by in failed(ended.stdout), ended.stdout
    count(fix_totals.FAULTS, kind=fault.name)


def copy_of_the_source(tree: Path) -> None:
    # With the times of the files, so that what is compiled already stays good.
    tree.mkdir()
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, tree / name)
        else:
            shutil.copy2(source, tree / name)


def seed(tree: Path, fault: Fault) -> None:
    path = tree / fault.file
    text = path.read_text()
    assert text.count(fault.old) == 1, f"{fault.file} has not exactly one {fault.old!r}"
    mutated = text.replace(fault.old, fault.new)
    if path.suffix == ".py":
        compile(mutated, fault.file, "exec")
    path.write_text(mutated)


def run_in(tree: Path, test: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the test there until it fails for the first time."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "S3D_"))}
    options = ["-x", "-q", "-rfs", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={directory}", test],
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def failed(output: str) -> Sequence[str]:
    """Return the functions that failed; one that could not even be set up is not among them."""
    return re.findall(r"^FAILED (\S+?::\w+)", output, re.MULTILINE)
