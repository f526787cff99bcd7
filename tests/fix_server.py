"""The server, as its users start it: a process of its own, two workers, a fresh data directory.

S3D_TEST_ENDPOINT  runs the client tests against a server that is already there, with the keys
                   S3D_TEST_ACCESS_KEY and S3D_TEST_SECRET_KEY.
S3D_TEST_DATABASE_URL  a PostgreSQL where databases may be created; else the embedded one is used.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from server.metadata.embedded import EmbeddedPostgres

PROJECT = Path(__file__).parent.parent
ACCESS_KEY = "AKIATESTTESTTESTTEST"
SECRET_KEY = "test/secret+key/with/signs/that+need+quoting"
REGION = "us-east-1"

# Far below the default, so that tests reach files with small bodies.
_SMALL_ROWS = {"S3D_INLINE_LIMIT_BYTES": "8192"}
START_SECONDS = 60  # the embedded PostgreSQL makes its cluster first
STOP_SECONDS = 30


def pytest_configure() -> None:
    """Let a run that is told to end stop its servers first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    data and log are None where the server was there before the tests.
    """

    endpoint: str  # e.g. "http://127.0.0.1:43210", without a slash at the end
    access_key: str
    secret_key: str
    region: str = REGION
    data: Path | None = None
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    certificate: Path | None = None  # PEM, where the endpoint is https
    database_url: str | None = None  # None: the embedded one in data/postgres

    @property
    def metadata_url(self) -> str:
        """The URL of the database that this server keeps its metadata in."""
        assert self.data is not None, "the test looks into the database of a server of its own"
        return self.database_url or EmbeddedPostgres(self.data / "postgres").url

    @property
    def port(self) -> int:
        port = urlsplit(self.endpoint).port
        assert port is not None
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two workers, shared by the whole run; its log must stay clean."""
    if endpoint := os.environ.get("S3D_TEST_ENDPOINT"):
        yield RunningServer(
            endpoint.rstrip("/"),
            os.environ["S3D_TEST_ACCESS_KEY"],
            os.environ["S3D_TEST_SECRET_KEY"],
        )
        return
    with (
        own_database() as database_url,
        running_server(tmp_path_factory.mktemp("server"), database_url=database_url) as running,
    ):
        yield running
        complaints = complaints_of(running)
    assert not complaints, f"{running.log} has:\n" + "\n".join(complaints)


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two workers that speaks https, with a certificate of its own."""
    directory = tmp_path_factory.mktemp("tls-server")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    make_certificate(certificate, key)
    with (
        own_database() as database_url,
        running_server(
            directory,
            "--tls-cert",
            str(certificate),
            "--tls-key",
            str(key),
            database_url=database_url,
        ) as running,
    ):
        yield replace(running, certificate=certificate)
        complaints = complaints_of(running)
    assert not complaints, f"{running.log} has:\n" + "\n".join(complaints)


def make_certificate(certificate: Path, key: Path) -> None:
    """Write a new self-signed certificate for localhost, and its key."""
    openssl = debian_program("/usr/bin/openssl", "openssl")
    names = "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    where = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [openssl, *command.split(), "-subj", "/CN=localhost", "-addext", names, *where],
        check=True,
        capture_output=True,
    )


def debian_program(path: str, package: str) -> Path:
    """Return the path of the program; without it the test is skipped, in CI it fails."""
    if not Path(path).exists():
        reason = f"{path} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(path)


@contextmanager
def own_database() -> Iterator[str | None]:
    """Yield the URL of a new database at S3D_TEST_DATABASE_URL; None without that variable."""
    admin_url = os.environ.get("S3D_TEST_DATABASE_URL")
    if not admin_url:
        yield None
        return
    name = f"s3d_test_{secrets.token_hex(6)}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def running_server(
    directory: Path,
    *arguments: str,
    workers: int = 2,
    database_url: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """Run `s3d serve` on directory/data until the block ends, then stop it with SIGTERM.

    arguments: more flags of `s3d serve`.
    The log is directory/server.log; a directory that is served again goes on with its log.
    """
    with starting_server(
        directory,
        *arguments,
        workers=workers,
        database_url=database_url,
        environment=environment,
    ) as running:
        wait_until_ready(running)
        yield running


@contextmanager
def starting_server(
    directory: Path,
    *arguments: str,
    workers: int = 2,
    database_url: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """Do as running_server, but do not wait until it answers."""
    data, log, port = directory / "data", directory / "server.log", free_port()
    command = [sys.executable, "-m", "server", "serve", str(data)]
    command += ["--address", f"127.0.0.1:{port}", "--workers", str(workers), *arguments]
    # The settings of the person who runs the tests are not those of the server under test.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("S3D_")}
    keys = {"S3D_ROOT_ACCESS_KEY": ACCESS_KEY, "S3D_ROOT_SECRET_KEY": SECRET_KEY}
    url = {"S3D_DATABASE_URL": database_url} if database_url else {}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**inherited, **keys, **url, **_SMALL_ROWS, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that stop() can reach the workers as well
        )
    scheme = "https" if "--tls-cert" in arguments else "http"
    try:
        yield RunningServer(
            f"{scheme}://127.0.0.1:{port}",
            ACCESS_KEY,
            SECRET_KEY,
            REGION,
            data,
            log,
            process,
            database_url=database_url,
        )
    finally:
        stop(process)


def free_port() -> int:
    """Return a TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(running: RunningServer) -> None:
    """Return when /-/ready answers 200; fail with the log where it never does."""
    assert running.process is not None
    assert running.log is not None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        if _is_ready(running):
            return
        time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{running.log.read_text(errors='replace')}")


def _is_ready(running: RunningServer) -> bool:
    if running.endpoint.startswith("https"):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", running.port)) == 0
    try:
        with urllib.request.urlopen(f"{running.endpoint}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:  # HTTPError and URLError are kinds of it
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server with SIGTERM; fail where it does not end in time."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        pytest.fail(f"the server ignored SIGTERM for {STOP_SECONDS} s")


# A request line of the log holds its status; a worker that died or an error nobody foresaw says so.
_COMPLAINT = re.compile(r'Traceback \(most recent call last\)|"status": ?500\b|InternalError')


def complaints_of(running: RunningServer) -> list[str]:
    """Return the lines of the log that no test should ever cause."""
    if running.log is None:
        return []
    lines = running.log.read_text(errors="replace").splitlines()
    return [line for line in lines if _COMPLAINT.search(line)]
