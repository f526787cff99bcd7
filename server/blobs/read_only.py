"""Whether this node has stopped writing: invariant D6."""

import mmap


class ReadOnlyFlag:
    """One byte that all processes share which are forked after it was made.

    Nothing clears it: after a failed fsync only a restart tells what the disk really holds.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    @property
    def is_set(self) -> bool:
        """Return whether an fsync has failed in any process of this node."""
        return self._shared[0] != 0

    def set(self) -> None:
        """Turn the node read-only. Whoever handles the FsyncFailed beside it logs the reason."""
        self._shared[0] = 1
