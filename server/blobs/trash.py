"""Taking blobs away in two steps, so that the last copy of a live one is never unlinked: D7.

Every function blocks, takes many digests so that each directory is fsynced once, and may be called
again after a crash at any of its steps. The caller holds the digests' rows locked, as the one who
publishes does. They raise StorageError, and FsyncFailed after turning the node read-only.
"""

import os
from collections.abc import Collection
from contextlib import suppress

from server.blobs.files import disk_errors, fsync_directories
from server.blobs.layout import Layout
from server.blobs.read_only import ReadOnlyFlag
from server.model.names import BlobDigest


def trash(layout: Layout, digests: Collection[BlobDigest], read_only: ReadOnlyFlag) -> None:
    """Move the blobs into trash/. One that is not there is not an error."""
    with disk_errors("move blobs to the trash"):
        for digest in digests:
            with suppress(FileNotFoundError):
                os.rename(layout.blob(digest), layout.trashed(digest))
    # The new names first: a power cut may leave a blob with two names, never with none.
    shards = sorted({layout.shard(digest) for digest in digests})
    fsync_directories([layout.trash, *shards], read_only)


def restore(
    layout: Layout, digests: Collection[BlobDigest], read_only: ReadOnlyFlag
) -> frozenset[BlobDigest]:
    """Bring the blobs back out of trash/; a copy that their shard holds already stays.

    Returns the digests that neither place has: where a row names one, data are lost.
    """
    missing = set()
    with disk_errors("bring blobs back from the trash"):
        for digest in digests:
            if layout.blob(digest).exists():
                continue
            try:
                os.rename(layout.trashed(digest), layout.blob(digest))
            except FileNotFoundError:
                missing.add(digest)
    fsync_directories(sorted({layout.shard(digest) for digest in digests}), read_only)
    # What trash/ still has is a second copy, and the first one's name is durable now.
    unlink_trashed(layout, digests)
    return frozenset(missing)


def unlink_trashed(layout: Layout, digests: Collection[BlobDigest]) -> None:
    """Unlink the blobs' copies in trash/, never those in their shards."""
    with disk_errors("unlink blobs from the trash"):
        for digest in digests:
            # Not fsynced: a name that a power cut brings back, the next pass finds again.
            with suppress(FileNotFoundError):
                os.unlink(layout.trashed(digest))
