"""Removes old snapshots from an archive, then the blobs that no snapshot names any more."""

import heapq
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from server.blobs.archive import Archive, Wait
from server.blobs.errors import ArchiveError
from server.blobs.layout import SHARDS
from server.jobs.snapshot import blobs_of, check_rows, read_description
from server.model.names import BlobDigest


def keep_last(archive: Archive, count: int, wait: Wait) -> tuple[int, int]:
    """Return how many snapshots and how many blobs were removed: all but the last snapshots.

    Where each of those lacks blobs, the last whole one stays, too.
    A snapshot that stays and whose list of blobs is rotten keeps everything as it is. Blocking;
    the archive is open to write. Raises ArchiveBusy where a restore goes on for longer than the
    wait, ArchiveError, StorageError.
    """
    names = archive.finished()
    old, kept = names[:-count], names[-count:]
    if not any(_is_whole(archive, name) for name in kept):
        last_whole = next((name for name in reversed(old) if _is_whole(archive, name)), None)
        if last_whole is not None:
            old.remove(last_whole)
            kept.insert(0, last_whole)
    for name in kept:
        directory = archive.snapshot(name)
        check_rows(directory, read_description(directory), "blob")
    if not old:
        return 0, 0
    with archive.to_remove(wait):
        for name in old:
            archive.remove(name)
        blobs = _unlink_unnamed(archive, [archive.snapshot(name) for name in kept])
    return len(old), blobs


def _is_whole(archive: Archive, name: str) -> bool:
    try:
        return read_description(archive.snapshot(name)).unusable.blobs == 0
    except ArchiveError:
        # One that stays is looked at again; one that cannot be read is no reason to keep it.
        return False


def _unlink_unnamed(archive: Archive, kept: list[Path]) -> int:
    # Each list is sorted, so the digests of one directory after the other are known together.
    groups = groupby(heapq.merge(*map(_digests, kept)), key=lambda digest: digest[:1].hex())
    group = next(groups, None)
    unlinked = 0
    for shard in SHARDS:
        named: frozenset[BlobDigest] = frozenset()
        if group and group[0] == shard:
            named = frozenset(group[1])
            group = next(groups, None)
        unlinked += archive.unlink_all_but(shard, named)
    return unlinked


def _digests(directory: Path) -> Iterator[BlobDigest]:
    columns = read_description(directory).tables["blob"].columns
    return (digest for digest, _ in blobs_of(directory, columns))
