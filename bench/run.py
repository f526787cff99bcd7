"""Compare this server with moto's server in one run: `make bench`, or bench/run.py --case get-4k.

Both are started on free ports with a fresh directory, this one with two workers and else default
settings, and both are stopped at the end. All arguments go to bench/s3bench.py, whose table tells
each server's figure and its ratio to moto's. Needs wrk.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 30


def main() -> int:
    """Run the benchmark; return its exit code."""
    moto_server = Path(sys.executable).parent / "moto_server"
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is not installed: apt-get install wrk")
    if not moto_server.exists():
        sys.exit("bench: moto's server is not installed: pip install --group bench")
    access_key, secret_key = "AKIABENCHBENCHBENCH0", secrets.token_hex(20)
    with tempfile.TemporaryDirectory(prefix="s3d-bench-") as directory:
        work = Path(directory)
        ours_port, moto_port = free_port(), free_port()
        ours = [sys.executable, "-m", "server", "serve", str(work / "data"), "--workers", "2"]
        ours += ["--address", f"127.0.0.1:{ours_port}"]
        keys = {"S3D_ROOT_ACCESS_KEY": access_key, "S3D_ROOT_SECRET_KEY": secret_key}
        moto = [str(moto_server), "--host", "127.0.0.1", "--port", str(moto_port)]
        with (
            started(ours, work / "ours.log", keys, f"http://127.0.0.1:{ours_port}/-/ready"),
            started(moto, work / "moto.log", {}, f"http://127.0.0.1:{moto_port}/"),
        ):
            command = [sys.executable, str(PROJECT / "bench/s3bench.py")]
            # moto first: the ratios are to the first server.
            for name, port in [("moto", moto_port), ("s3d", ours_port)]:
                command += ["--server", f"{name}=http://127.0.0.1:{port},{access_key},{secret_key}"]
            return subprocess.run([*command, *sys.argv[1:]], check=False).returncode


@contextmanager
def started(
    command: Sequence[str], log: Path, environment: Mapping[str, str], probe: str
) -> Iterator[None]:
    """Run a server until the block ends; it is ready once the probe's URL answers 200."""
    # Settings of the person who runs this would no longer be the default ones.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("S3D_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(probe):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {command[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # HTTPError and URLError are kinds of it
        return False


def free_port() -> int:
    """Return a TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
