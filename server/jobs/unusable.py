"""What a snapshot lacks: blobs of which its backup found, or could make, no whole copy.

DIRECTORY/unusable   their digests in hex, a line each, in the order of the table blob
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from server.blobs.errors import ArchiveError
from server.blobs.files import disk_errors
from server.jobs.snapshot import TableFile, Unusable, blobs_of, rows_file
from server.metadata.snapshot import content_in, digest_field
from server.model.names import BlobDigest

UNUSABLE: Final = "unusable"
# Blobs, and manifests, in memory at once. A disk that is gone has lost as many as it had: beyond it
# objects are counted that lack one of the first so many.
MOST_COUNTED: Final = 100_000


def line_of(digest: BlobDigest) -> bytes:
    """Return the line of a blob."""
    return digest.hex().encode("ascii") + b"\n"


def unusable_blobs(directory: Path) -> Iterator[BlobDigest]:
    """Yield the blobs that a snapshot lacked when it was made, by digest. Blocking."""
    file = directory / UNUSABLE
    with disk_errors(f"read {file}"), file.open("rb") as lines:
        yield from blobs_in(lines)


def blobs_in(lines: Iterable[bytes]) -> Iterator[BlobDigest]:
    """Yield the blobs of these lines."""
    for line in lines:
        yield BlobDigest(bytes.fromhex(line.decode("ascii")))


def copied_blobs(
    directory: Path, tables: Mapping[str, TableFile]
) -> Iterator[tuple[BlobDigest, int]]:
    """Yield digest and size of the blobs of a snapshot that it does not lack. Blocking."""
    lacking = unusable_blobs(directory)
    next_lacking = next(lacking, None)
    for digest, size in blobs_of(directory, tables["blob"].columns):
        if digest == next_lacking:
            next_lacking = next(lacking, None)
        else:
            yield digest, size


def describe(directory: Path, tables: Mapping[str, TableFile]) -> Unusable:
    """Return what the snapshot lacks, once that is written. Blocking."""
    blobs = sum(1 for _ in unusable_blobs(directory))
    objects = _objects_without_bytes(directory, tables) if blobs else 0
    return Unusable(blobs, objects, _sum_of(directory))


def check(directory: Path, said: Unusable) -> None:
    """Raise ArchiveError unless the list holds what was written to it. Blocking."""
    if _sum_of(directory) != said.sha256:
        raise ArchiveError(f"{directory / UNUSABLE} holds other digests than were written")


def _sum_of(directory: Path) -> str:
    file = directory / UNUSABLE
    with disk_errors(f"read {file}"), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _objects_without_bytes(directory: Path, tables: Mapping[str, TableFile]) -> int:
    digests = {digest_field(each) for each in islice(unusable_blobs(directory), MOST_COUNTED)}
    slices = _contents(directory, tables, "slice")
    manifests = set(
        islice((manifest for digest, manifest in slices if digest in digests), MOST_COUNTED)
    )
    objects = _contents(directory, tables, "object_version")
    return sum(digest in digests or manifest in manifests for digest, manifest in objects)


def _contents(
    directory: Path, tables: Mapping[str, TableFile], table: str
) -> Iterator[tuple[bytes, bytes]]:
    file = rows_file(directory, table)
    with disk_errors(f"read {file}"), file.open("rb") as rows:
        for row in rows:
            yield content_in(row, tables[table].columns)
