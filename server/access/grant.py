"""What was decided about a request, and how to decide it again."""

from collections.abc import Awaitable, Callable

from server.model.bucket import Bucket


class Grant:
    """The decision that a request is allowed.

    revision: the settings revision it was decided under.
    bucket:   the bucket it was decided for; None for an operation that needs none.
    decide:   returns both as they are now, or raises S3Error.
    Store calls carry the grant; one that finds the revision moved has it renewed before it answers.
    """

    __slots__ = ("_decide", "_ids", "bucket", "revision")

    def __init__(
        self,
        revision: int,
        bucket: Bucket | None,
        decide: Callable[[], Awaitable[tuple[int, Bucket | None]]],
    ) -> None:
        self.revision = revision
        self.bucket = bucket
        self._decide = decide
        self._ids = set() if bucket is None else {bucket.id}

    async def renew(self, bucket_id: int) -> int:
        """Decide again from the settings as they are now; return the id that the bucket has now.

        A bucket that was deleted and made again has the same name and another id: the request
        means the one that is there now. Ids of other buckets are returned as they are.

        Raises S3Error where the request would be refused now.
        """
        self.revision, self.bucket = await self._decide()
        if self.bucket is None or bucket_id not in self._ids:
            return bucket_id
        self._ids.add(self.bucket.id)
        return self.bucket.id
