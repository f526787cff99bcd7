"""s3d as a process, for commands that come to an end."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).parent.parent
GIVE_UP_SECONDS = 120


def start(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    errors: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a command; it knows none of the settings of the person who runs the tests.

    errors: a file descriptor for its standard error.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("S3D_")}
    return subprocess.Popen(
        [sys.executable, "-m", "server", *map(str, arguments)],
        cwd=PROJECT,
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def run(
    *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return how a command ended and what it said."""
    with start(*arguments, environment=environment) as process:
        try:
            output, errors = process.communicate(timeout=GIVE_UP_SECONDS)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def database(url: str | None) -> dict[str, str]:
    """Return the environment that names a database; None: the embedded one."""
    return {"S3D_DATABASE_URL": url} if url else {}
