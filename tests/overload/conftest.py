import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fix_server import debian_program

SmallDisk = Callable[[Path, int], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mounts a new ext4 of so many MiB on a directory; it is gone after the test."""
    if os.geteuid() != 0:
        pytest.skip("NOT RUN: mounts a file system, which root may")
    make = debian_program("/usr/sbin/mkfs.ext4", "e2fsprogs")
    with ExitStack() as stack:

        def mount(directory: Path, mib: int) -> None:
            image = tmp_path / f"{directory.name}.ext4"
            with image.open("wb") as file:
                file.truncate(mib << 20)
            # No blocks are kept back for root, as whom the server runs here.
            _run(str(make), "-q", "-m", "0", str(image))
            directory.mkdir(parents=True)
            mounted = subprocess.run(
                ["mount", "-o", "loop", str(image), str(directory)],
                capture_output=True,
                text=True,
                check=False,
            )
            if mounted.returncode:
                reason = f"NOT RUN: no file system can be mounted here: {mounted.stderr.strip()}"
                pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
            stack.callback(_unmount, directory)

        yield mount


def _unmount(directory: Path) -> None:
    # Lazily: a server that the test could not stop must not keep it for ever.
    _run("umount", "-l", str(directory))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
