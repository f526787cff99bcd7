"""What can go wrong with the blob directory. None of it is an S3 error: the operation speaks S3."""

from server.model.names import BlobDigest


class StorageError(Exception):
    """The disk did not do what it was asked; the OSError, where there is one, is the cause.

    The text may name a path: it is for the log, never for a client.
    """


class DiskFull(StorageError):
    """No space or no quota is left, or less than is kept in reserve."""


class FsyncFailed(StorageError):
    """What was written may be lost. The node is read-only from here on: invariant D6."""


class NodeReadOnly(StorageError):
    """An fsync failed since this node was started: it writes nothing any more. Invariant D6."""

    def __init__(self) -> None:
        super().__init__("an fsync has failed on this node; it is read-only until it is restarted")


class RottenBlock(StorageError):
    """A blob's file does not hold what was written to it; the block was not served. D9."""

    def __init__(self, digest: BlobDigest, block: int, reason: str) -> None:
        super().__init__(f"block {block} of blob {digest.hex()}: {reason}")
        self.digest = digest
        self.block = block  # counted from 0


class RottenBlob(StorageError):
    """A blob's file, read from its beginning to its end, is not what was written to it. D9."""

    def __init__(self, digest: BlobDigest, reason: str) -> None:
        super().__init__(f"blob {digest.hex()}: {reason}")
        self.reason = reason


class RottenRow(StorageError):
    """A small body, kept in its row, is not what was written to it; it was not served. D9."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"a body in its row is rotten: its {algorithm} is another")


class BlobLayoutError(StorageError):
    """The directory is not, and must not become, a blob directory of this version."""


class UnusableBlob(StorageError):
    """A blob's file is missing, cannot be read, or holds other bytes than its name says."""

    def __init__(self, digest: BlobDigest, reason: str) -> None:
        super().__init__(f"blob {digest.hex()}: {reason}")
        self.digest = digest
        self.reason = reason


class ArchiveError(StorageError):
    """The directory cannot be used for backups, or holds none that can be restored."""


class ArchiveBusy(ArchiveError):
    """Somebody else uses the archive, and for longer than was to be waited."""
