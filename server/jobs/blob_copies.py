"""Many blobs from one blob directory to another, a batch at a time, each compared with its name."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, TypeVar

from server.blobs import copying
from server.blobs.errors import UnusableBlob
from server.blobs.layout import Layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.threads import ended, run
from server.model.names import BlobDigest

Result = TypeVar("Result")
SizedBlob = tuple[BlobDigest, int]
Batch = list[SizedBlob]

# Blobs that are worked on at once, and shares of a batch: most are small, and wait for the disk.
THREADS: Final = 8
# A batch ends at the first of both; its directories are fsynced once, and who cancels waits for it.
_BATCH_BLOBS: Final = 256
_BATCH_BYTES: Final = 256 << 20
# Of those that are named. A disk that is gone has lost as many as it had.
_MOST_NAMED: Final = 1000


@dataclass(slots=True)
class Findings:
    """What came of it. unusable: a line a blob, the file and its fault; the first thousand."""

    copied: int = 0
    copied_bytes: int = 0
    unusable_count: int = 0
    unusable: list[str] = field(default_factory=list)

    def note(self, side: Layout, trouble: UnusableBlob) -> None:
        """Take note of a blob that cannot be used. side: which of the two directories spoilt it."""
        self.unusable_count += 1
        if len(self.unusable) < _MOST_NAMED:
            self.unusable.append(f"{side.blob(trouble.digest)}: {trouble.reason}")


@dataclass(frozen=True, slots=True)
class BlobCopies:
    """From one directory to another.

    threads:      do the work; the caller's to end.
    read_data:    what the target has is read, not only looked at; what is rotten is copied anew.
    before_batch: awaited before each batch; may raise.
    advance:      told the bytes of each blob that is done with.
    unusable:     told each blob of which copy() has no whole copy, in the order of the blobs.
    """

    source: Layout
    target: Layout
    read_only: ReadOnlyFlag  # of the target
    threads: Executor
    read_data: bool
    before_batch: Callable[[], Awaitable[None]]
    advance: Callable[[int], None]
    unusable: Callable[[BlobDigest], None]

    async def copy(self, blobs: Iterable[SizedBlob]) -> Findings:
        """Copy what the target has not; read what was copied back, and compare it again.

        blobs: by digest. One of which there is no whole copy is noted, and the others are copied
        all the same.
        Raises DiskFull, StorageError, FsyncFailed of the target.
        """
        findings = Findings()
        # A copy that is there may be of a process that was killed before it fsynced.
        await run(self.threads, copying.fsync_all, self.target, self.read_only)
        for batch in _batches(blobs):
            await self.before_batch()
            copied, troubles = await self._each(batch, self._copy)
            fresh = [blob for blob, is_new in copied if is_new]
            published, more_troubles = await self._each(fresh, self._publish)
            # Those that were set aside, too: a power cut must not bring them back to their place.
            moved = [*(digest for digest, _ in fresh), *(each.digest for each in troubles)]
            await run(self.threads, copying.fsync_copies, self.target, moved, self.read_only)
            for (_, size), _ in published:
                findings.copied += 1
                findings.copied_bytes += size
            faults = [(each.digest, self.source, each) for each in troubles]
            faults += [(each.digest, self.target, each) for each in more_troubles]
            for digest, side, trouble in sorted(faults, key=itemgetter(0)):
                findings.note(side, trouble)
                self.unusable(digest)
            for _, size in batch:
                self.advance(size)
        return findings

    async def check_sizes(self, blobs: Iterable[SizedBlob]) -> Findings:
        """Look whether the target has all of them, with their sizes."""
        findings = Findings()
        for batch in _batches(blobs):
            _, troubles = await self._each(batch, self._check_size)
            for trouble in troubles:
                findings.note(self.target, trouble)
        return findings

    async def _each(
        self, batch: Batch, work: Callable[[BlobDigest, int], Result]
    ) -> tuple[list[tuple[SizedBlob, Result]], list[UnusableBlob]]:
        """Return the blobs whose work went well, with its results, and the trouble of others."""
        # Some for each thread: a hop for each blob would cost more than to look at one.
        shares = [batch[first::THREADS] for first in range(min(THREADS, len(batch)))]
        jobs = [self.threads.submit(_work_on, share, work) for share in shares]
        done, failed = [], []
        for job in await ended(*jobs):
            results, troubles = job.result()
            done += results
            failed += troubles
        return done, failed

    def _copy(self, digest: BlobDigest, size: int) -> bool:
        if self._is_there(digest, size):
            return False
        try:
            copying.copy_blob(self.source, self.target, digest, size, self.read_only)
        except UnusableBlob:
            self._set_aside(digest)
            raise
        return True

    def _is_there(self, digest: BlobDigest, size: int) -> bool:
        try:
            if self.read_data:
                copying.check_bytes(self.target, digest, size)
            else:
                copying.check_size(self.target, digest, size)
        except UnusableBlob:
            return False
        return True

    def _publish(self, digest: BlobDigest, size: int) -> None:
        try:
            copying.publish_copy(self.target, digest, size)
        except UnusableBlob:
            self._set_aside(digest)
            raise

    def _set_aside(self, digest: BlobDigest) -> None:
        # What was read and is rotten must not pass for whole, by its size, another time.
        copying.set_aside(self.target, digest)

    def _check_size(self, digest: BlobDigest, size: int) -> None:
        copying.check_size(self.target, digest, size)


def _work_on(
    share: Batch, work: Callable[[BlobDigest, int], Result]
) -> tuple[list[tuple[SizedBlob, Result]], list[UnusableBlob]]:
    results, troubles = [], []
    for blob in share:
        try:
            results.append((blob, work(*blob)))
        except UnusableBlob as trouble:
            troubles.append(trouble)
    return results, troubles


def _batches(blobs: Iterable[SizedBlob]) -> Iterator[Batch]:
    batch: Batch = []
    size_of_all = 0
    for blob in blobs:
        batch.append(blob)
        size_of_all += blob[1]
        if len(batch) == _BATCH_BLOBS or size_of_all >= _BATCH_BYTES:
            yield batch
            batch, size_of_all = [], 0
    if batch:
        yield batch
