"""How cost grows: with the keys of a bucket, the connections, the workers, the size of bodies."""

import asyncio
import statistics
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import s3bench
from servers import s3d

from server.metadata.connection import connect
from server.metadata.embedded import EmbeddedPostgres

KIB, MIB = 1 << 10, 1 << 20
BUCKET_SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
CONNECTIONS = (1, 8, 32, 128, 512)
WORKERS = (1, 2, 4)
INLINE_LIMITS = (0, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB)
BODY_SIZES = (2 * KIB, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 256 * KIB, MIB)
PART_BYTES = 5 * MIB
Figures = list[dict[str, Any]]

# What a bucket of so many keys looks like to a listing: 100 keys below each prefix.
_FILL = """
    INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers, user_metadata,
                                checksum_algorithm, checksum_type, checksum, body)
    SELECT (SELECT id FROM bucket WHERE name = %(bucket)s),
           'list/' || lpad((n / 100)::text, 6, '0') || '/' || lpad(n::text, 8, '0'), 16,
           'd41d8cd98f00b204e9800998ecf8427e', 'STANDARD',
           '{"Content-Type": "binary/octet-stream"}', '{}', 'CRC64NVME', 'FULL_OBJECT',
           'AAAAAAAAAAA=', '\\x00112233445566778899aabbccddeeff'
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""


@contextmanager
def _workplace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="s3d-bench-") as directory:
        work = Path(directory)
        work.chmod(0o711)
        yield work


def bucket_sizes(*, seconds: float, largest: int = BUCKET_SIZES[-1]) -> Figures:
    """Return what a page of 1,000 keys, and one of 50 common prefixes, cost in each bucket."""
    found: Figures = []
    with _workplace() as work, s3d(work) as target:
        url = EmbeddedPostgres(work / "data" / "postgres").url
        for keys in (each for each in BUCKET_SIZES if each <= largest):
            bucket = f"growth-{keys}"
            target.call("PUT", f"/{bucket}")
            asyncio.run(_fill(url, bucket, keys))
            found.append({"keys": keys, **_pages(target, work, bucket, keys, seconds)})
    return found


def _pages(
    target: s3bench.Endpoint, work: Path, bucket: str, keys: int, seconds: float
) -> dict[str, float]:
    starts = [f"list/{n // 100:06}/{n:08}" for n in range(0, keys - 2000, max(1, keys // 200))]
    plain = [("list-type", "2"), ("prefix", "list/")]
    listed = {
        "list-1000": [
            target.presign("GET", f"/{bucket}", [*plain, ("start-after", start)])
            for start in starts
        ],
        "list-delimiter": [
            target.presign(
                "GET", f"/{bucket}", [*plain, ("delimiter", "/"), ("max-keys", "50"), start_after]
            )
            for start_after in (("start-after", start) for start in starts[: len(starts) // 2])
        ],
    }
    figures = {}
    for name, paths in listed.items():
        run = s3bench.wrk(target, str(work), "GET", 1, 0, paths, seconds)
        figures |= {f"{name} p50 ms": run["p50ms"], f"{name} p99 ms": run["p99ms"]}
    return figures


async def _fill(url: str, bucket: str, keys: int) -> None:
    connection = await connect(url, timeout_seconds=600)
    for first in range(0, keys, 250_000):
        last = min(first + 250_000, keys) - 1
        await connection.execute(_FILL, {"bucket": bucket, "first": first, "last": last})
    await connection.execute("VACUUM (ANALYZE) object_version")
    await connection.close()


def connections(*, seconds: float) -> Figures:
    """Return rates and latencies of small objects by the number of connections."""
    with _workplace() as work, s3d(work) as target:
        return [
            {"connections": each, **_small(target, work, each, seconds)} for each in CONNECTIONS
        ]


def workers(*, seconds: float) -> Figures:
    """Return rates and latencies of small objects by the number of workers."""
    found: Figures = []
    for count in WORKERS:
        with _workplace() as work, s3d(work, workers=count) as target:
            found.append({"workers": count, **_small(target, work, 32, seconds)})
    return found


def _small(
    target: s3bench.Endpoint, work: Path, connections: int, seconds: float
) -> dict[str, float]:
    put = _put(target, work, 4 * KIB, connections, seconds)
    names = s3bench.keys("read", 2000)
    paths = [target.presign("PUT", key) for key in names]
    s3bench.wrk(target, str(work), "PUT", 32, 4 * KIB, paths, total=len(paths))
    get_paths = [target.presign("GET", key) for key in names]
    get = s3bench.wrk(target, str(work), "GET", connections, 0, get_paths, seconds)
    return {
        f"{name} {figure}": run[figure]
        for name, run in (("put-4k", put), ("get-4k", get))
        for figure in ("rps", "p50ms", "p99ms", "bad")
    }


def _put(
    target: s3bench.Endpoint, work: Path, size: int, connections: int, seconds: float
) -> dict[str, float]:
    """Return a run of PutObject with new keys."""
    with_bucket = target.presign("PUT", f"/{s3bench.BUCKET}")
    urllib.request.urlopen(
        urllib.request.Request(target.url + with_bucket, method="PUT"), timeout=60
    ).close()
    run = f"new-{size}-{connections}-{time.monotonic_ns()}"
    paths = [target.presign("PUT", key) for key in s3bench.keys(run, 40_000)]
    return dict(s3bench.wrk(target, str(work), "PUT", connections, size, paths, seconds))


def body_sizes(*, seconds: float, inline_limit: int | None = None) -> Figures:
    """Return MB/s of PutObject and GetObject by the size of bodies, 16 connections.

    inline_limit: up to which bodies are kept in their row; None: the default.
    """
    settings = {} if inline_limit is None else {"S3D_INLINE_LIMIT_BYTES": str(inline_limit)}
    found: Figures = []
    with _workplace() as work, s3d(work, settings=settings) as target:
        for size in BODY_SIZES:
            put = _put(target, work, size, 16, seconds)
            names = s3bench.keys(f"read-{size}", 200)
            paths = [target.presign("PUT", key) for key in names]
            s3bench.wrk(target, str(work), "PUT", 16, size, paths, total=len(paths))
            get_paths = [target.presign("GET", key) for key in names]
            get = s3bench.wrk(target, str(work), "GET", 16, 0, get_paths, seconds)
            found.append({"bytes": size, "put MB/s": put["MBps"], "get MB/s": get["MBps"]})
    return found


def inline_limits(*, seconds: float) -> Figures:
    """Return body_sizes() of bodies that are all kept in their rows, and all in files."""
    rows = body_sizes(seconds=seconds, inline_limit=512 * KIB)
    files = body_sizes(seconds=seconds, inline_limit=0)
    return [
        {
            "bytes": row["bytes"],
            "in rows, put MB/s": row["put MB/s"],
            "in files, put MB/s": blob["put MB/s"],
            "in rows, get MB/s": row["get MB/s"],
            "in files, get MB/s": blob["get MB/s"],
        }
        for row, blob in zip(rows, files, strict=True)
        if row["bytes"] <= 256 * KIB
    ]


def large_metadata() -> dict[str, float]:
    """Return the seconds of a Complete of 10,000 parts and of a copy of 5 GiB.

    The parts are copies of one object of 5 MiB, so that only the first of them is ever sent.
    """
    with _workplace() as work, s3d(work) as target:
        target.call("PUT", f"/{s3bench.BUCKET}")
        target.call("PUT", f"/{s3bench.BUCKET}/part", body=bytes(PART_BYTES))
        complete = _complete(target, "ten-thousand", 10_000)
        _complete(target, "five-gib", 1024)
        copies = [_copy(target, f"copy-{number}") for number in range(5)]
    return {
        "Complete of 10,000 parts, s": complete,
        "copy of 5 GiB, s": statistics.median(copies),
    }


def _complete(target: s3bench.Endpoint, key: str, parts: int) -> float:
    path = f"/{s3bench.BUCKET}/{key}"
    document = ElementTree.fromstring(target.call("POST", path, [("uploads", "")]))
    upload = document.findtext("{*}UploadId") or ""
    source = [("x-amz-copy-source", f"{s3bench.BUCKET}/part")]

    def copy(number: int) -> str:
        query = [("partNumber", str(number)), ("uploadId", upload), *source]
        answer = ElementTree.fromstring(target.call("PUT", path, query))
        return f"<Part><PartNumber>{number}</PartNumber>{_etag(answer)}</Part>"

    with ThreadPoolExecutor(16) as threads:
        listed = "".join(threads.map(copy, range(1, parts + 1)))
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    began = time.perf_counter()
    target.call("POST", path, [("uploadId", upload)], body=body)
    return time.perf_counter() - began


def _etag(answer: ElementTree.Element) -> str:
    return f"<ETag>{answer.findtext('{*}ETag')}</ETag>"


def _copy(target: s3bench.Endpoint, key: str) -> float:
    source: Sequence[tuple[str, str]] = [("x-amz-copy-source", f"{s3bench.BUCKET}/five-gib")]
    began = time.perf_counter()
    target.call("PUT", f"/{s3bench.BUCKET}/{key}", source)
    return time.perf_counter() - began
