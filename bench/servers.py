"""What is measured, each on a free port and with a fresh directory, ended with its block."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import s3bench

PROJECT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 60
REGION = "us-east-1"
# The limits of the machine are measured with as many processes as the server has.
WORKERS = 2


@contextmanager
def s3d(
    directory: Path, *, workers: int = WORKERS, settings: Mapping[str, str] | None = None
) -> Iterator[s3bench.Endpoint]:
    """Yield this server, with default settings but for those that are given."""
    port, access_key, secret_key = free_port(), "AKIABENCHBENCHBENCH0", secrets.token_hex(20)
    command = [sys.executable, "-m", "server", "serve", str(directory / "data")]
    command += ["--workers", str(workers), "--address", f"127.0.0.1:{port}"]
    keys = {"S3D_ROOT_ACCESS_KEY": access_key, "S3D_ROOT_SECRET_KEY": secret_key}
    url = f"http://127.0.0.1:{port}"
    with _started(command, directory / "s3d.log", {**keys, **(settings or {})}, f"{url}/-/ready"):
        yield s3bench.Endpoint("s3d", url, access_key, secret_key, REGION)


@contextmanager
def moto(directory: Path) -> Iterator[s3bench.Endpoint]:
    """Yield moto's server, which keeps everything in memory and checks no signature."""
    port = free_port()
    program = str(Path(sys.executable).parent / "moto_server")
    command = [program, "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with _started(command, directory / "moto.log", {}, f"{url}/"):
        yield s3bench.Endpoint("moto", url, "AKIABENCHBENCHBENCH0", "secret", REGION)


@contextmanager
def nginx(directory: Path) -> Iterator[str]:
    """Yield the URL of an nginx that serves the files of directory/files from the disk."""
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(f"""
        daemon off; worker_processes {WORKERS}; pid {directory}/nginx.pid;
        error_log {directory}/nginx.log; {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 1024; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
            server {{ listen 127.0.0.1:{port}; location / {{ root {directory}/files; }} }}
        }}
    """)
    (directory / "files").mkdir(exist_ok=True)
    (directory / "files" / "ready").write_text("ready")
    url = f"http://127.0.0.1:{port}"
    command = ["nginx", "-e", f"{directory}/nginx.log", "-c", str(configuration)]
    with _started(command, directory / "nginx.out", {}, f"{url}/ready"):
        yield url


@contextmanager
def bare_aiohttp(directory: Path) -> Iterator[str]:
    """Yield the URL of an aiohttp server that answers 4 KiB to everything, and does nothing else.

    As many processes as the server has workers, on uvloop.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(PROJECT / "bench/bare_answer.py"), str(port), str(WORKERS)]
    with _started(command, directory / "bare.log", {}, f"{url}/"):
        yield url


@contextmanager
def _started(
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
