"""A stopped server: its data directory and its database, and commands that look after them."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from server.blobs.layout import Layout
from server.blobs.read_only import ReadOnlyFlag
from server.jobs import pairing
from server.metadata.administration import administration
from server.metadata.embedded import EmbeddedPostgres
from tests.jobs.world import World

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Stopped:
    """What a server left: a world, and a way to run s3d on it."""

    data: Path
    database_url: str
    world: World

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    def command(self, *arguments: str) -> list[str]:
        return command_on(self.data, *arguments, "--database-url", self.database_url)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=PROJECT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )


async def with_database(data: Path) -> None:
    """Give the data directory a database of its own, and the blob directory its name."""
    with EmbeddedPostgres(data / "postgres") as postgres:
        async with administration(postgres.url, timeout_seconds=30) as conn:
            await pairing.pair(conn, Layout(data / "blobs"), ReadOnlyFlag())


def command_on(data: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "server", *arguments, "--data", str(data)]


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("S3D_")}


def copied(template: Path, data: Path) -> Path:
    """Return the blob directory of a new data directory."""
    data.mkdir()
    shutil.copytree(template, data / "blobs")
    return data / "blobs"
