import os
import subprocess
from pathlib import Path

import pytest

from tests.fix_server import debian_program


@pytest.fixture(scope="session")
def strace() -> Path:
    """The program; a test is skipped, in CI it fails, where it may not attach to a process."""
    program = debian_program("/usr/bin/strace", "strace")
    with subprocess.Popen(["sleep", "1"]) as other:
        attached = subprocess.run(
            [program, "-p", str(other.pid), "-o", os.devnull],
            capture_output=True,
            check=False,
            timeout=10,
        )
    if attached.returncode:
        reason = f"strace may not attach to a process: {attached.stderr.decode().strip()}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return program
