"""PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects, CopyObject and the tags."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Self
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from tests.model.bodies import Body, shown
from tests.model.conditions import Condition, read_refusal, selected, write_refusal
from tests.model.operation import Caller, Operation, Seen, refusal, refused, trouble_with
from tests.model.world import Object, World
from tests.signing import content_md5
from tests.wire import Answer

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PutObject(Operation):
    bucket: str
    key: str
    body: Body
    tags: Tags = ()
    condition: Condition | None = None
    note: str = field(default="", repr=False)

    def resolved(self, world: World, serial: str) -> Self:
        held = world.object(self.bucket, self.key)
        return replace(
            self, note=serial, condition=self.condition and self.condition.resolved(held)
        )

    async def send(self, caller: Caller) -> Seen:
        headers = {"x-amz-meta-note": self.note, "x-amz-tagging": urlencode(self.tags)}
        headers |= self.condition.headers if self.condition else {}
        path = caller.path(self.bucket, self.key)
        answer = await caller.ask("PUT", path, headers, self.body.data)
        return (200, answer.etag) if answer.status == 200 else refusal(answer)

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble, world
        if trouble := write_refusal(self.condition, world.object(self.bucket, self.key)):
            return trouble, world
        held = Object(self.body.data, self.body.etag, self.note, dict(self.tags))
        return (200, held.etag), world.holding(self.bucket, self.key, held)


@dataclass(frozen=True)
class GetObject(Operation):
    bucket: str
    key: str
    byte_range: str | None = None
    part: int | None = None
    condition: Condition | None = None
    method: str = "GET"

    def resolved(self, world: World, serial: str) -> Self:
        held = world.object(self.bucket, self.key)
        return replace(self, condition=self.condition and self.condition.resolved(held))

    async def send(self, caller: Caller) -> Seen:
        headers = dict(self.condition.headers) if self.condition else {}
        if self.byte_range is not None:
            headers["Range"] = f"bytes={self.byte_range}"
        query = "" if self.part is None else f"?partNumber={self.part}"
        path = caller.path(self.bucket, self.key) + query
        return self._seen(await caller.ask(self.method, path, headers))

    def _seen(self, answer: Answer) -> Seen:
        if answer.status not in (200, 206):
            return refusal(answer)
        body = answer.headers["content-length"] if self.method == "HEAD" else shown(answer.body)
        said = ("x-amz-meta-note", "x-amz-tagging-count", "content-range", "x-amz-mp-parts-count")
        return answer.status, body, answer.etag, *(answer.headers.get(name) for name in said)

    def apply(self, world: World) -> tuple[Seen, World]:
        expected = self._expected(world)
        if self.method == "HEAD" and expected[0] not in (200, 206):
            expected = (expected[0], None)
        return expected, world

    def unanswered(self, world: World) -> list[World]:
        return [world]

    def _expected(self, world: World) -> Seen:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble
        held = world.object(self.bucket, self.key)
        if held is None:
            return refused(404, "NoSuchKey")
        if trouble := read_refusal(self.condition, held):
            return trouble
        if self.part is not None:
            return self._expected_part(held, self.part)
        if self.byte_range is None:
            return self._expected_bytes(held, 200, 0, len(held.data))
        span = selected(held.data, self.byte_range)
        if span is None:
            return refused(416, "InvalidRange")
        return self._expected_bytes(held, 206, *span)

    def _expected_part(self, held: Object, part: int) -> Seen:
        sizes = held.parts or (len(held.data),)
        if part > len(sizes):
            return refused(416, "InvalidPartNumber")
        first = sum(sizes[: part - 1])
        count = str(len(held.parts)) if held.parts else None
        return *self._expected_bytes(held, 206, first, first + sizes[part - 1])[:-1], count

    def _expected_bytes(self, held: Object, status: int, first: int, end: int) -> Seen:
        body = str(end - first) if self.method == "HEAD" else shown(held.data[first:end])
        tags = str(len(held.tags)) if held.tags else None
        content_range = None
        if status == 206 and held.data:
            content_range = f"bytes {first}-{end - 1}/{len(held.data)}"
        return status, body, held.etag, held.note, tags, content_range, None


@dataclass(frozen=True)
class DeleteObject(Operation):
    bucket: str
    key: str
    condition: Condition | None = None

    def resolved(self, world: World, serial: str) -> Self:
        held = world.object(self.bucket, self.key)
        return replace(self, condition=self.condition and self.condition.resolved(held))

    async def send(self, caller: Caller) -> Seen:
        headers = self.condition.headers if self.condition else {}
        return refusal(await caller.ask("DELETE", caller.path(self.bucket, self.key), headers))

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble, world
        if trouble := write_refusal(self.condition, world.object(self.bucket, self.key)):
            return trouble, world
        return (204, None), world.holding(self.bucket, self.key, None)


@dataclass(frozen=True)
class DeleteObjects(Operation):
    bucket: str
    keys: tuple[str, ...]

    async def send(self, caller: Caller) -> Seen:
        rows = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in self.keys)
        body = f"<Delete>{rows}</Delete>".encode()
        target = f"/{caller.bucket(self.bucket)}?delete"
        answer = await caller.ask("POST", target, {"Content-MD5": content_md5(body)}, body)
        if answer.status != 200:
            return refusal(answer)
        failed = zip(answer.texts("Error/Key"), answer.texts("Error/Code"), strict=True)
        return 200, sorted(answer.texts("Deleted/Key")), sorted(failed)

    def apply(self, world: World) -> tuple[Seen, World]:
        if self.bucket not in world.buckets:
            return refused(404, "NoSuchBucket"), world
        taken = [key for key in self.keys if trouble_with(world, self.bucket, key) is None]
        failed = [(key, "InvalidURI") for key in self.keys if key not in taken]
        return (200, sorted(taken), sorted(failed)), _without(world, self.bucket, taken)

    def unanswered(self, world: World) -> list[World]:
        """Each key is deleted for itself."""
        held = [key for key in set(self.keys) if world.object(self.bucket, key)]
        return [
            _without(world, self.bucket, gone)
            for count in range(len(held) + 1)
            for gone in combinations(held, count)
        ]


def _without(world: World, bucket: str, keys: list[str] | tuple[str, ...]) -> World:
    for key in keys:
        world = world.holding(bucket, key, None)
    return world


@dataclass(frozen=True)
class CopyObject(Operation):
    bucket: str
    key: str
    source_bucket: str
    source_key: str
    replaces: bool = False  # the metadata; the tags are copied in any case
    condition: Condition | None = None
    note: str = field(default="", repr=False)

    def resolved(self, world: World, serial: str) -> Self:
        held = world.object(self.bucket, self.key)
        return replace(
            self, note=serial, condition=self.condition and self.condition.resolved(held)
        )

    async def send(self, caller: Caller) -> Seen:
        headers = {"x-amz-copy-source": caller.source(self.source_bucket, self.source_key)}
        if self.replaces:
            headers |= {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-note": self.note}
        headers |= self.condition.headers if self.condition else {}
        answer = await caller.ask("PUT", caller.path(self.bucket, self.key), headers)
        return (200, *answer.texts("ETag")) if answer.status == 200 else refusal(answer)

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := self._trouble(world):
            return trouble, world
        source = world.object(self.source_bucket, self.source_key)
        if source is None:
            return refused(404, "NoSuchKey"), world
        if trouble := write_refusal(self.condition, world.object(self.bucket, self.key)):
            return trouble, world
        copied = replace(source, note=self.note) if self.replaces else source
        return (200, f'"{source.etag}"'), world.holding(self.bucket, self.key, copied)

    def _trouble(self, world: World) -> Seen | None:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble
        if self.source_key == "../x":
            return refused(400, "InvalidArgument")
        source = self.source_bucket, self.source_key
        if source == (self.bucket, self.key) and not self.replaces:
            return refused(400, "InvalidRequest")
        return trouble_with(world, *source)


@dataclass(frozen=True)
class PutObjectTagging(Operation):
    """tags: none of them is DeleteObjectTagging."""

    bucket: str
    key: str
    tags: Tags

    async def send(self, caller: Caller) -> Seen:
        target = caller.path(self.bucket, self.key) + "?tagging"
        if not self.tags:
            return refusal(await caller.ask("DELETE", target))
        rows = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in self.tags)
        body = f"<Tagging><TagSet>{rows}</TagSet></Tagging>".encode()
        return refusal(await caller.ask("PUT", target, body=body))

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble, world
        held = world.object(self.bucket, self.key)
        if held is None:
            return refused(404, "NoSuchKey"), world
        tagged = replace(held, tags=dict(self.tags))
        return (200 if self.tags else 204, None), world.holding(self.bucket, self.key, tagged)


@dataclass(frozen=True)
class GetObjectTagging(Operation):
    bucket: str
    key: str

    async def send(self, caller: Caller) -> Seen:
        answer = await caller.ask("GET", caller.path(self.bucket, self.key) + "?tagging")
        if answer.status != 200:
            return refusal(answer)
        return 200, _sorted(dict(zip(*map(answer.texts, _TAG_PATHS), strict=True)))

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble, world
        held = world.object(self.bucket, self.key)
        if held is None:
            return refused(404, "NoSuchKey"), world
        return (200, _sorted(held.tags)), world

    def unanswered(self, world: World) -> list[World]:
        return [world]


_TAG_PATHS = ("TagSet/Tag/Key", "TagSet/Tag/Value")


def _sorted(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(tags.items())
