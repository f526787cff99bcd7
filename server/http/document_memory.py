"""What a worker spends on documents: bodies that are read and parsed as a whole."""

from typing import Final

from server.errors import ErrorCode, S3Error

# Documents up to this size are bounded by the number of requests; they cost what its buffers cost.
SMALL_BYTES: Final = 64 << 10


class DocumentMemory:
    """The budget of one worker. limit: bytes of documents that may be held at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    def take(self, size: int) -> int:
        """Return how much is to be given back. Raises S3Error SlowDown where too much is taken.

        A document above the limit has its turn when nobody else holds one.
        """
        if size <= SMALL_BYTES:
            return 0
        if self._taken and self._taken + size > self._limit:
            raise S3Error(ErrorCode.SlowDown)
        self._taken += size
        return size

    def give_back(self, size: int) -> None:
        """Note that the document, and what was made of it, are forgotten."""
        self._taken -= size
