"""What the machine can do at best: no server is faster than these."""

import asyncio
import hashlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import s3bench
from servers import PROJECT, WORKERS, bare_aiohttp, nginx

from server.metadata import object_versions
from server.metadata.administration import administration
from server.metadata.connection import connect
from server.metadata.embedded import EmbeddedPostgres
from server.model.blob import InlineBody
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.names import ETag, ObjectKey
from server.model.object_version import ObjectContent

MIB = 1 << 20
# Rows in one commit: what a worker gathers of 32 connections.
GROUP = 16
# name of a case → bytes of a file, files, connections: as in s3bench.py
FILES = {
    "get-4k": (4 << 10, 2000, 32),
    "get-64k": (64 << 10, 500, 32),
    "get-1m": (MIB, 64, 8),
    "get-64m": (64 * MIB, 2, 2),
}


def measure(*, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the limits that no case is compared with: figures per second."""
    with tempfile.TemporaryDirectory(prefix="s3d-bench-") as directory:
        work = Path(directory)
        found = {"md5 of one thread, MB/s": _median(rounds, lambda: md5_of_threads(1, seconds))}
        with nginx(work) as url:
            target = s3bench.Endpoint("nginx", url, "", "", "")
            for case in ("get-4k", "get-64k", "get-1m"):
                paths = _files(work, case)
                runs = [_wrk(target, work, FILES[case][2], paths, seconds) for _ in range(rounds)]
                for figure, unit in (("rps", "requests/s"), ("MBps", "MB/s")):
                    found[f"nginx, {case}, {unit}"] = statistics.median(r[figure] for r in runs)
        return found


# name of a case → what its limit is, in the figure that the case is compared by
NAMES = {
    "put-4k-c1": "bare aiohttp answer, one connection, ms at the median",
    "put-4k": "rows of 4 KiB in groups, rows/s",
    "get-4k-c1": "bare aiohttp answer, one connection, ms at the median",
    "get-4k": "bare aiohttp answer, 32 connections, requests/s",
    "put-64m": "md5 of two threads, MB/s",
    "get-64m": "nginx, MB/s",
}


@contextmanager
def beside(work: Path) -> Iterator[Callable[[str, float], dict[str, float]]]:
    """Yield what measures the limit of a case of NAMES, for so many seconds: its "figure".

    The machine may be another one minutes later: a limit is measured between the runs of its case.
    """
    with (
        bare_aiohttp(work) as bare_url,
        nginx(work) as files_url,
        EmbeddedPostgres(work / "postgres") as postgres,
    ):
        bare = s3bench.Endpoint("bare", bare_url, "", "", "")
        files = s3bench.Endpoint("nginx", files_url, "", "", "")
        paths = _files(work, "get-64m")
        asyncio.run(_prepare(postgres.url))

        def once(case: str, seconds: float) -> float:
            if case == "put-4k":
                return group_commit(postgres.url, seconds)
            if case == "put-64m":
                return md5_of_threads(WORKERS, seconds)
            if case == "get-64m":
                return _wrk(files, work, FILES[case][2], paths, seconds)["MBps"]
            if case == "get-4k":
                return _wrk(bare, work, FILES[case][2], ["/bucket/key"], seconds)["rps"]
            return _wrk(bare, work, 1, ["/bucket/key"], seconds)["p50ms"]

        yield lambda case, seconds: {"figure": once(case, seconds)}


def _median(rounds: int, once: Callable[[], float]) -> float:
    return statistics.median(once() for _ in range(rounds))


def _files(work: Path, case: str) -> list[str]:
    """Make the files of a case, and return their paths for nginx."""
    size, count, _ = FILES[case]
    folder = work / "files" / case
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}").write_bytes(os.urandom(size))
    return [f"/{case}/{number}" for number in range(count)]


def md5_of_threads(threads: int, seconds: float) -> float:
    """Return the MB/s that so many threads hash together."""
    data = os.urandom(MIB)
    hashed = [0] * threads
    deadline = time.perf_counter() + seconds

    def work(number: int) -> None:
        md5 = hashlib.md5(usedforsecurity=False)
        while time.perf_counter() < deadline:
            md5.update(data)
            hashed[number] += len(data)

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(hashed) / seconds / 1e6


def group_commit(url: str, seconds: float) -> float:
    """Return the rows a second that as many processes as workers commit together, without HTTP."""
    writers = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__)), url, str(seconds), secrets.token_hex(4)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        for _ in range(WORKERS)
    ]
    return sum(float(each.communicate()[0]) for each in writers)


async def _prepare(url: str) -> None:
    async with administration(url, timeout_seconds=60):
        pass


async def _write_rows(url: str, seconds: float, name: str) -> float:
    connection = await connect(url)
    row = await (await connection.execute("SELECT revision FROM settings_revision")).fetchone()
    assert row is not None
    written, deadline = 0, time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < deadline:
        group = [
            object_versions.Put(1, ObjectKey(f"{name}/{written + n:08}"), _content(), None, row[0])
            for n in range(GROUP)
        ]
        await object_versions.put_all(connection, group)
        written += GROUP
    await connection.close()
    return written / (time.perf_counter() - began)


def _content() -> ObjectContent:
    return ObjectContent(
        body=InlineBody(os.urandom(4096)),
        size=4096,
        etag=ETag("d41d8cd98f00b204e9800998ecf8427e"),
        storage_class="STANDARD",
        headers={"Content-Type": "binary/octet-stream"},
        user_metadata={},
        tags={},
        checksum=Checksum(ChecksumAlgorithm.CRC64NVME, ChecksumType.FULL_OBJECT, "AAAAAAAAAAA="),
    )


def _wrk(
    target: s3bench.Endpoint, work: Path, connections: int, paths: list[str], seconds: float
) -> dict[str, float]:
    return s3bench.wrk(target, str(work), "GET", connections, 0, paths, max(int(seconds), 1))


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(_write_rows(sys.argv[1], float(sys.argv[2]), sys.argv[3]))))
