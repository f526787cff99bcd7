"""What a server should hold: a dict of dicts. Changes make a new world and leave the old one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.model.bodies import shown


@dataclass(frozen=True)
class Object:
    """What a key holds. note: the user metadata that makes each write another one."""

    data: bytes
    etag: str
    note: str
    tags: Mapping[str, str]
    parts: tuple[int, ...] = ()  # sizes; empty where it was not uploaded in parts

    def __repr__(self) -> str:
        return f"<{shown(self.data)}, note {self.note}, tags {self.tags}, parts {self.parts}>"


@dataclass(eq=False)
class LateETag:
    """The ETag of a copied part, which the answer tells; None where no answer came."""

    value: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of an upload; etag: another object for every write of a part."""

    data: bytes
    etag: LateETag

    def __repr__(self) -> str:
        return f"<{shown(self.data)}, ETag {self.etag.value}>"


@dataclass(frozen=True)
class Upload:
    """An upload. completed: the list that made it an object, and the ETag of that."""

    id: str
    bucket: str
    key: str
    note: str
    parts: Mapping[int, Part] = field(default_factory=dict)
    completed: tuple[tuple[tuple[int, str], ...], str] | None = None


@dataclass(frozen=True)
class World:
    """All buckets with their objects, and the last upload of each slot."""

    buckets: Mapping[str, Mapping[str, Object]] = field(default_factory=dict)
    uploads: Mapping[int, Upload] = field(default_factory=dict)

    def object(self, bucket: str, key: str) -> Object | None:
        return self.buckets.get(bucket, {}).get(key)

    def with_bucket(self, bucket: str) -> "World":
        return replace(self, buckets={bucket: {}, **self.buckets})

    def without_bucket(self, bucket: str) -> "World":
        """Return the world in which the uploads in progress of the bucket ended with it."""
        return World(
            {name: held for name, held in self.buckets.items() if name != bucket},
            {slot: upload for slot, upload in self.uploads.items() if upload.bucket != bucket},
        )

    def holding(self, bucket: str, key: str, held: Object | None) -> "World":
        """Return the world in which the key holds that object, or nothing."""
        objects = {name: each for name, each in self.buckets[bucket].items() if name != key}
        if held is not None:
            objects[key] = held
        return replace(self, buckets={**self.buckets, bucket: objects})

    def uploading(self, slot: int, upload: Upload | None) -> "World":
        """Return the world with that upload in the slot, or none."""
        uploads = {other: each for other, each in self.uploads.items() if other != slot}
        if upload is not None:
            uploads[slot] = upload
        return replace(self, uploads=uploads)
