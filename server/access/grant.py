"""What was decided about a request, and how to decide it again."""

from collections.abc import Awaitable, Callable


class Grant:
    """The decision that a request is allowed.

    revision: the settings revision it was decided under.
    Store calls carry the grant; one that finds the revision moved has it renewed before it answers.
    """

    __slots__ = ("_decide", "revision")

    def __init__(self, revision: int, decide: Callable[[], Awaitable[int]]) -> None:
        self.revision = revision
        self._decide = decide

    async def renew(self) -> None:
        """Decide again from the settings as they are now.

        Raises S3Error where the request would be refused now, or where its bucket is another one.
        """
        self.revision = await self._decide()
