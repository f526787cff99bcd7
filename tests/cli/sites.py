"""A server with backups, as its operator has it."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.commands import database, run
from tests.fix_server import RunningServer

BODY = os.urandom(100_000)


@dataclass(frozen=True)
class Site:
    """A server with one object, an account, and a directory for its backups."""

    server: RunningServer
    archive: Path
    alice: dict[str, Any]

    @property
    def data(self) -> Path:
        assert self.server.data is not None
        return self.server.data

    @property
    def blob(self) -> Path:
        """The file of the object that is large."""
        name = hashlib.sha256(BODY).hexdigest()
        return self.data / "blobs" / name[:2] / name

    def backup(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        url = database(self.server.database_url)
        return run("backup", *arguments, "--data", self.data, environment=url)


def client(server: RunningServer, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )


def client_of_alice(site: Site, server: RunningServer) -> Any:
    return client(server, site.alice["access_key"], site.alice["secret_key"])


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
