"""CreateBucket, DeleteBucket, ListBuckets and ListObjectsV2."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from tests.model.operation import Caller, Operation, Seen, refusal, refused
from tests.model.world import World
from tests.operations.listed import listing


@dataclass(frozen=True)
class CreateBucket(Operation):
    bucket: str

    async def send(self, caller: Caller) -> Seen:
        return refusal(await caller.ask("PUT", f"/{caller.bucket(self.bucket)}"))

    def apply(self, world: World) -> tuple[Seen, World]:
        """In us-east-1 its owner may create a bucket again; nothing happens then."""
        return (200, None), world.with_bucket(self.bucket)


@dataclass(frozen=True)
class DeleteBucket(Operation):
    bucket: str

    async def send(self, caller: Caller) -> Seen:
        return refusal(await caller.ask("DELETE", f"/{caller.bucket(self.bucket)}"))

    def apply(self, world: World) -> tuple[Seen, World]:
        if self.bucket not in world.buckets:
            return refused(404, "NoSuchBucket"), world
        if world.buckets[self.bucket]:
            return refused(409, "BucketNotEmpty"), world
        return (204, None), world.without_bucket(self.bucket)


@dataclass(frozen=True)
class ListBuckets(Operation):
    async def send(self, caller: Caller) -> Seen:
        answer = await caller.ask("GET", f"/?prefix={caller.prefix}-")
        if answer.status != 200:
            return refusal(answer)
        names = answer.texts("Buckets/Bucket/Name")
        return 200, [name.removeprefix(f"{caller.prefix}-") for name in names]

    def apply(self, world: World) -> tuple[Seen, World]:
        return (200, sorted(world.buckets)), world

    def unanswered(self, world: World) -> list[World]:
        return [world]


@dataclass(frozen=True)
class ListObjectsV2(Operation):
    """A whole listing, page by page."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    start_after: str = ""
    max_keys: int = 1000

    async def send(self, caller: Caller) -> Seen:
        query: dict[str, str | int] = {"list-type": 2, "encoding-type": "url"}
        query |= {"prefix": self.prefix, "delimiter": self.delimiter, "max-keys": self.max_keys}
        query |= {"start-after": self.start_after} if self.start_after else {}
        pages: list[object] = []
        while True:
            target = f"/{caller.bucket(self.bucket)}?{urlencode(query, quote_via=quote)}"
            answer = await caller.ask("GET", target)
            if answer.status != 200:
                return refusal(answer)
            columns = map(answer.texts, ("Contents/Key", "Contents/ETag", "Contents/Size"))
            rows = [
                (unquote(key), etag.strip('"'), int(size))
                for key, etag, size in zip(*columns, strict=True)
            ]
            pages.append((rows, [unquote(p) for p in answer.texts("CommonPrefixes/Prefix")]))
            tokens = answer.texts("NextContinuationToken")
            if not tokens:
                return 200, pages
            query["continuation-token"] = tokens[0]

    def apply(self, world: World) -> tuple[Seen, World]:
        if self.bucket not in world.buckets:
            return refused(404, "NoSuchBucket"), world
        held = world.buckets[self.bucket]
        whole = listing(held, prefix=self.prefix, delimiter=self.delimiter, after=self.start_after)
        entries = sorted([*whole.keys, *whole.prefixes], key=str.encode)
        pages: list[object] = []
        for start in range(0, max(len(entries), 1), self.max_keys):
            page = entries[start : start + self.max_keys]
            keys = [key for key in page if key in whole.keys]
            rows = [(key, held[key].etag, len(held[key].data)) for key in keys]
            pages.append((rows, [entry for entry in page if entry in whole.prefixes]))
        return (200, pages), world

    def unanswered(self, world: World) -> list[World]:
        return [world]
