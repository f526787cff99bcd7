"""CreateMultipartUpload, UploadPart, UploadPartCopy, ListParts, Complete and Abort.

A slot stands for the upload that was last created in it. Where there is none, or it has ended, the
requests name an upload that nobody knows.
"""

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Self

from tests.model.bodies import Body
from tests.model.conditions import Condition, selected, write_refusal
from tests.model.operation import Caller, Operation, Seen, refusal, refused, trouble_with
from tests.model.world import LateETag, Object, Part, Upload, World
from tests.operations.uploads import MIN_PART, SentPart, complete_document

_UNKNOWN = Upload("A" * 64, "one", "a", "")
_NO_SUCH_UPLOAD = refused(404, "NoSuchUpload")


def _trouble(world: World, slot: int, named: Upload) -> Seen | None:
    """Return why the upload that the request names is none in progress; None where it is one."""
    if trouble := trouble_with(world, named.bucket, named.key):
        return trouble
    upload = world.uploads.get(slot)
    if upload is None or upload.id != named.id or upload.completed:
        return _NO_SUCH_UPLOAD
    return None


@dataclass(frozen=True)
class OfUpload(Operation):
    """What names an upload: its slot, and once it is sent what the slot stands for."""

    slot: int
    upload: Upload = field(default=_UNKNOWN, repr=False, kw_only=True)

    def resolved(self, world: World, serial: str) -> Self:
        return replace(self, upload=world.uploads.get(self.slot, _UNKNOWN))

    def target(self, caller: Caller, more: str = "") -> str:
        path = caller.path(self.upload.bucket, self.upload.key)
        return f"{path}?uploadId={self.upload.id}{more}"


@dataclass(frozen=True)
class CreateMultipartUpload(Operation):
    slot: int
    bucket: str
    key: str
    note: str = field(default="", repr=False)
    id: list[str] = field(default_factory=list, repr=False)  # once it is answered

    def resolved(self, world: World, serial: str) -> Self:
        return replace(self, note=serial, id=[])

    async def send(self, caller: Caller) -> Seen:
        path = caller.path(self.bucket, self.key)
        answer = await caller.ask("POST", f"{path}?uploads", {"x-amz-meta-note": self.note})
        if answer.status != 200:
            return refusal(answer)
        # Not parsed: a key with a control character is no XML for Python.
        found = re.search(rb"<UploadId>([A-Za-z0-9._]+)</UploadId>", answer.body)
        assert found is not None
        self.id.append(found[1].decode())
        return (200,)

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := trouble_with(world, self.bucket, self.key):
            return trouble, world
        if not self.id:
            return (200,), world
        upload = Upload(self.id[0], self.bucket, self.key, self.note)
        return (200,), world.uploading(self.slot, upload)

    def unanswered(self, world: World) -> list[World]:
        """Nobody knows its id, so it makes no difference."""
        return [world]


@dataclass(frozen=True)
class UploadPart(OfUpload):
    number: int
    body: Body
    etag: LateETag = field(default_factory=LateETag, repr=False)

    def resolved(self, world: World, serial: str) -> Self:
        return replace(super().resolved(world, serial), etag=LateETag(self.body.etag))

    async def send(self, caller: Caller) -> Seen:
        target = self.target(caller, f"&partNumber={self.number}")
        answer = await caller.ask("PUT", target, body=self.body.data)
        return (200, answer.etag) if answer.status == 200 else refusal(answer)

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := _trouble(world, self.slot, self.upload):
            return trouble, world
        part = Part(self.body.data, self.etag)
        return (200, self.body.etag), _with_part(world, self.slot, self.number, part)


def _with_part(world: World, slot: int, number: int, part: Part) -> World:
    upload = world.uploads[slot]
    return world.uploading(slot, replace(upload, parts={**upload.parts, number: part}))


@dataclass(frozen=True)
class UploadPartCopy(OfUpload):
    number: int
    source_bucket: str
    source_key: str
    byte_range: tuple[int, int] | None = None
    etag: LateETag = field(default_factory=LateETag, repr=False)

    def resolved(self, world: World, serial: str) -> Self:
        return replace(super().resolved(world, serial), etag=LateETag())

    async def send(self, caller: Caller) -> Seen:
        headers = {"x-amz-copy-source": caller.source(self.source_bucket, self.source_key)}
        if self.byte_range:
            headers["x-amz-copy-source-range"] = "bytes={}-{}".format(*self.byte_range)
        target = self.target(caller, f"&partNumber={self.number}")
        answer = await caller.ask("PUT", target, headers)
        if answer.status != 200:
            return refusal(answer)
        # Which one is the server's business: it is not the MD5 of the bytes.
        self.etag.value = answer.texts("ETag")[0].strip('"')
        return (200,)

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := self._trouble(world):
            return trouble, world
        source = world.object(self.source_bucket, self.source_key)
        if source is None:
            return refused(404, "NoSuchKey"), world
        data = source.data
        if self.byte_range:
            first, last = self.byte_range
            if first >= len(data):
                return refused(400, "InvalidRequest"), world
            if last >= len(data):
                return refused(400, "InvalidArgument"), world
            data = data[slice(*selected(data, f"{first}-{last}") or (0, 0))]
        return (200,), _with_part(world, self.slot, self.number, Part(data, self.etag))

    def _trouble(self, world: World) -> Seen | None:
        if trouble := trouble_with(world, self.upload.bucket, self.upload.key):
            return trouble
        if self.source_key == "../x":
            return refused(400, "InvalidArgument")
        if trouble := _trouble(world, self.slot, self.upload):
            return trouble
        return trouble_with(world, self.source_bucket, self.source_key)


class Unknown:
    """The ETag of a copied part whose answer did not come: whichever it is."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class ListParts(OfUpload):
    async def send(self, caller: Caller) -> Seen:
        answer = await caller.ask("GET", self.target(caller))
        if answer.status != 200:
            return refusal(answer)
        rows = re.findall(
            rb"<PartNumber>(\d+)</PartNumber>.*?<ETag>&?\W?(?:quot;)?(\w+)\W.*?<Size>(\d+)</Size>",
            answer.body,
            re.DOTALL,
        )
        return 200, [(int(number), etag.decode(), int(size)) for number, etag, size in rows]

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := _trouble(world, self.slot, self.upload):
            return trouble, world
        parts = sorted(world.uploads[self.slot].parts.items())
        rows = [(n, part.etag.value or Unknown(), len(part.data)) for n, part in parts]
        return (200, rows), world

    def unanswered(self, world: World) -> list[World]:
        return [world]


@dataclass(frozen=True)
class CompleteMultipartUpload(OfUpload):
    numbers: tuple[int, ...]
    condition: Condition | None = None
    listed: tuple[tuple[int, str], ...] = field(default=(), repr=False)

    def resolved(self, world: World, serial: str) -> Self:
        resolved = super().resolved(world, serial)
        parts = resolved.upload.parts
        known = {n: part.etag.value for n, part in parts.items() if part.etag.value}
        held = world.object(resolved.upload.bucket, resolved.upload.key)
        return replace(
            resolved,
            listed=tuple((n, known.get(n, "0" * 32)) for n in self.numbers),
            condition=self.condition and self.condition.resolved(held),
        )

    async def send(self, caller: Caller) -> Seen:
        body = complete_document(SentPart(*each) for each in self.listed)
        headers = self.condition.headers if self.condition else {}
        answer = await caller.ask("POST", self.target(caller), headers, body)
        if answer.status != 200:
            return refusal(answer)
        etag = re.search(rb"<ETag>\W*(?:quot;)?([0-9a-f]{32}-\d+)", answer.body)
        assert etag is not None, answer.body
        return 200, etag[1].decode()

    def apply(self, world: World) -> tuple[Seen, World]:
        upload = world.uploads.get(self.slot)
        if upload and upload.id == self.upload.id and upload.completed:
            return self._again(world, upload), world
        if trouble := _trouble(world, self.slot, self.upload):
            return trouble, world
        upload = world.uploads[self.slot]
        if trouble := self._wrong_parts(upload):
            return trouble, world
        held = world.object(upload.bucket, upload.key)
        if trouble := write_refusal(self.condition, held):
            return trouble, world
        bodies = [upload.parts[n].data for n in self.numbers]
        etag = etag_of_parts([etag for _, etag in self.listed])
        made = Object(b"".join(bodies), etag, upload.note, {}, tuple(map(len, bodies)))
        after = world.holding(upload.bucket, upload.key, made)
        return (200, etag), after.uploading(
            self.slot, replace(upload, completed=(self.listed, etag))
        )

    def _again(self, world: World, upload: Upload) -> Seen:
        """A client may ask again, and is answered the same, whatever the key holds now."""
        if trouble := trouble_with(world, upload.bucket, upload.key):
            return trouble
        assert upload.completed is not None
        listed, etag = upload.completed
        return (200, etag) if listed == self.listed else _NO_SUCH_UPLOAD

    def _wrong_parts(self, upload: Upload) -> Seen | None:
        if list(self.numbers) != sorted(set(self.numbers)):
            return refused(400, "InvalidPartOrder")
        for number, etag in self.listed:
            if number not in upload.parts or upload.parts[number].etag.value != etag:
                return refused(400, "InvalidPart")
        sizes = [len(upload.parts[number].data) for number in self.numbers]
        return refused(400, "EntityTooSmall") if any(s < MIN_PART for s in sizes[:-1]) else None


def etag_of_parts(etags: list[str]) -> str:
    """Return the ETag of an object of these parts; those of copied parts are no MD5 of bytes."""
    digest = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(etags)}"


@dataclass(frozen=True)
class AbortMultipartUpload(OfUpload):
    async def send(self, caller: Caller) -> Seen:
        return refusal(await caller.ask("DELETE", self.target(caller)))

    def apply(self, world: World) -> tuple[Seen, World]:
        if trouble := _trouble(world, self.slot, self.upload):
            return trouble, world
        return (204, None), world.uploading(self.slot, None)
