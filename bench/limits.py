"""What the machine can do at best: no server is faster than these."""

import asyncio
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
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
    """Return every limit: figures per second, or milliseconds where the name says so."""
    with tempfile.TemporaryDirectory(prefix="s3d-bench-") as directory:
        work = Path(directory)
        # PostgreSQL's own user passes through, where this runs as root.
        work.chmod(0o711)
        return {
            "md5 of two threads, MB/s": _median(rounds, lambda: md5_of_threads(2, seconds)),
            "md5 of one thread, MB/s": _median(rounds, lambda: md5_of_threads(1, seconds)),
            "rows of 4 KiB in groups, rows/s": group_commit(work, seconds, rounds),
            **_bare(work, seconds, rounds),
            **_nginx(work, seconds, rounds),
        }


def _median(rounds: int, once: Callable[[], float]) -> float:
    return statistics.median(once() for _ in range(rounds))


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


def group_commit(work: Path, seconds: float, rounds: int) -> float:
    """Return the rows a second that as many processes as workers commit together, without HTTP."""
    figures = []
    with EmbeddedPostgres(work / "postgres") as postgres:
        asyncio.run(_prepare(postgres.url))
        for number in range(rounds):
            command = [sys.executable, str(Path(__file__)), postgres.url, str(seconds)]
            writers = [
                subprocess.Popen(
                    [*command, f"{number}-{writer}"],
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": str(PROJECT)},
                )
                for writer in range(WORKERS)
            ]
            figures.append(sum(float(each.communicate()[0]) for each in writers))
    return statistics.median(figures)


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


def _bare(work: Path, seconds: float, rounds: int) -> dict[str, float]:
    with bare_aiohttp(work) as url:
        target = s3bench.Endpoint("bare", url, "", "", "")
        many = [_wrk(target, work, 32, ["/bucket/key"], seconds) for _ in range(rounds)]
        one = [_wrk(target, work, 1, ["/bucket/key"], seconds) for _ in range(rounds)]
    return {
        "bare aiohttp answer, 32 connections, requests/s": statistics.median(
            each["rps"] for each in many
        ),
        "bare aiohttp answer, one connection, ms at the median": statistics.median(
            each["p50ms"] for each in one
        ),
    }


def _nginx(work: Path, seconds: float, rounds: int) -> dict[str, float]:
    found = {}
    with nginx(work) as url:
        target = s3bench.Endpoint("nginx", url, "", "", "")
        for case, (size, count, connections) in FILES.items():
            folder = work / "files" / case
            folder.mkdir()
            for number in range(count):
                (folder / f"{number}").write_bytes(os.urandom(size))
            paths = [f"/{case}/{number}" for number in range(count)]
            runs = [_wrk(target, work, connections, paths, seconds) for _ in range(rounds)]
            found[f"nginx, {case}, requests/s"] = statistics.median(r["rps"] for r in runs)
            found[f"nginx, {case}, MB/s"] = statistics.median(r["MBps"] for r in runs)
    return found


def _wrk(
    target: s3bench.Endpoint, work: Path, connections: int, paths: list[str], seconds: float
) -> dict[str, float]:
    return s3bench.wrk(target, str(work), "GET", connections, 0, paths, max(int(seconds), 1))


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(_write_rows(sys.argv[1], float(sys.argv[2]), sys.argv[3]))))
