"""An operation of S3 as the model test sends it, sees its answer, and expects it."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from tests.fix_s3 import S3Client, path_of
from tests.model.world import World
from tests.wire import Answer

# What is compared: status and whatever of the answer the operation promises.
Seen = tuple[object, ...]


class Unavailable(Exception):
    """The answer is 503: whether the operation happened nobody knows."""


@dataclass(frozen=True)
class Caller:
    """A client, and the beginning of the names of its buckets."""

    s3: S3Client
    prefix: str

    def bucket(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def path(self, bucket: str, key: str) -> str:
        return path_of(self.bucket(bucket), key)

    def source(self, bucket: str, key: str) -> str:
        """Return the value of x-amz-copy-source."""
        return f"{self.bucket(bucket)}/{quote(key, safe='/')}"

    async def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer; raise Unavailable where it is 503."""
        answer = await self.s3.request(method, target, headers=headers, body=body)
        if answer.status == 503:
            raise Unavailable
        return answer


class Operation:
    """What all operations have. Each is a value whose repr says all that was chosen."""

    async def send(self, caller: Caller) -> Seen:
        """Send it and return what was seen."""
        raise NotImplementedError

    def apply(self, world: World) -> tuple[Seen, World]:
        """Return what must be seen in that world, and the world afterwards."""
        raise NotImplementedError

    def unanswered(self, world: World) -> list[World]:
        """Return every world that may be there where no answer came."""
        return [world, self.apply(world)[1]]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Let hypothesis write it as we do."""
        printer.text(repr(self))

    def resolved(self, world: World, serial: str) -> Self:
        """Return the operation with what it takes from the present, and a serial number."""
        return self


def refused(status: int, code: str) -> Seen:
    return status, code


def refusal(answer: Answer) -> Seen:
    return answer.status, answer.error_code


def trouble_with(world: World, bucket: str, key: str) -> Seen | None:
    """Return the refusal that every operation on a key shares, in S3's order."""
    if bucket not in world.buckets:
        return refused(404, "NoSuchBucket")
    if key == "../x":
        return refused(400, "InvalidURI")
    return None
