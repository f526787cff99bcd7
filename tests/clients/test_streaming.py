"""Bodies far larger than the memory that the server may use: 5 GiB in parts, 4.9 GiB in one PUT."""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.fix_clients import Boto, Program
from tests.fix_server import RunningServer, own_database, running_server

pytestmark = [pytest.mark.clients, pytest.mark.slow]

GIB = 1 << 30
MOST_RSS_BYTES = 400 << 20
# The blobs, the file that comes back, and room for what else runs.
NEEDED_DISK_BYTES = 16 * GIB
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Watch:
    """The most memory that the Python processes of a server held together."""

    peak_bytes: int = 0


@pytest.fixture
def roomy(tmp_path: Path) -> Path:
    """A directory with room for the bodies."""
    if shutil.disk_usage(tmp_path).free < NEEDED_DISK_BYTES:
        pytest.skip(f"less than {NEEDED_DISK_BYTES // GIB} GiB of disk are free")
    return tmp_path


@pytest.fixture
def server_of_its_own(roomy: Path) -> Iterator[RunningServer]:
    with own_database() as url, running_server(roomy, database_url=url) as running:
        yield running


def large_file(path: Path, size: int) -> Path:
    """Write a file of which every MiB is another one, without filling the disk with it."""
    with path.open("wb") as file:
        for start in range(0, size, 1 << 20):
            file.seek(start)
            file.write(start.to_bytes(8, "big"))
        file.truncate(size)
    return path


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rss_bytes(server: RunningServer) -> int:
    """Return what the Python processes of the server hold: its session, without PostgreSQL."""
    assert server.process is not None
    total = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # processes end while they are counted
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            if session == server.process.pid and "python" in os.readlink(entry / "exe"):
                total += int((entry / "statm").read_text().split()[1]) * PAGE_BYTES
    return total


@contextlib.contextmanager
def watched(server: RunningServer) -> Iterator[Watch]:
    """Look at the memory of the server, five times a second, until the block ends."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            watch.peak_bytes = max(watch.peak_bytes, rss_bytes(server))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("aws", ["v2"], indirect=True)
def test_5_gib_go_up_and_down_through_aws_s3_cp_in_400_mib_of_memory(
    aws: Program, server_of_its_own: RunningServer, roomy: Path
) -> None:
    source = large_file(roomy / "source", 5 * GIB)
    own = replace_server(aws, server_of_its_own)
    own("s3", "mb", "s3://large")

    with watched(server_of_its_own) as watch:
        own("s3", "cp", source, "s3://large/object", "--no-progress")
        own("s3", "cp", "s3://large/object", roomy / "back", "--no-progress")

    assert digest(roomy / "back") == digest(source)
    assert 0 < watch.peak_bytes < MOST_RSS_BYTES


def test_one_put_of_nearly_5_gib_needs_no_more_memory(
    server_of_its_own: RunningServer, roomy: Path
) -> None:
    source = large_file(roomy / "source", GIB * 49 // 10)
    s3 = Boto(server_of_its_own, server_of_its_own.endpoint).client(read_timeout=300)
    s3.create_bucket(Bucket="large")

    with watched(server_of_its_own) as watch, source.open("rb") as body:
        put = s3.put_object(Bucket="large", Key="object", Body=body)

    with source.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    assert put["ETag"] == f'"{md5}"'
    assert 0 < watch.peak_bytes < MOST_RSS_BYTES


def replace_server(program: Program, server: RunningServer) -> Program:
    """Return the same program, talking to another server with the same keys."""
    return replace(program, options=("--endpoint-url", server.endpoint))
