"""The kinds of write: how each is sent, and what the keys hold before it and after it.

A case is one request about names of its own. What it finds is looked at through S3 alone.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.fix_s3 import S3Client
from tests.operations.uploads import SentPart, Upload, begin
from tests.signing import sha256_base64
from tests.wire import Answer

BUCKET = "crash"
LARGE_BYTES = 100_000
# One value for each thing that was looked at.
States = Sequence[object]


@dataclass(frozen=True)
class Case:
    """A request, and what must be found of it.

    look: returns what is there now, one value for each thing that the request may change.
    is_one: all of them change at once; else each does by itself.
    """

    send: Callable[[], Awaitable[Answer]]
    look: Callable[[], Awaitable[States]]
    before: States
    after: States
    is_one: bool = True

    def allows(self, found: States) -> bool:
        """Tell whether that is what was before or what comes after, whole."""
        if self.is_one:
            return found in (self.before, self.after)
        pairs = zip(self.before, self.after, strict=True)
        return all(each in pair for each, pair in zip(found, pairs, strict=True))


Arrange = Callable[[S3Client, str], Awaitable[Case]]


async def _put_small(s3: S3Client, name: str) -> Case:
    return _put(s3, name, before=None, body=os.urandom(1000))


async def _put_blob(s3: S3Client, name: str) -> Case:
    return _put(s3, name, before=None, body=os.urandom(LARGE_BYTES))


async def _replace(s3: S3Client, name: str) -> Case:
    return _put(s3, name, before=await _stored(s3, name), body=os.urandom(LARGE_BYTES))


async def _put_what_is_there(s3: S3Client, name: str) -> Case:
    """The other key that holds these bytes must keep them whatever happens."""
    body = await _stored(s3, f"{name}-first")
    case = _put(s3, name, before=None, body=body)
    other = _path(f"{name}-first")

    async def look() -> States:
        return *(await case.look()), await _body_of(s3, other)

    hashed = _hash(body)
    return Case(case.send, look, (None, hashed), (hashed, hashed))


async def _put_new(s3: S3Client, name: str) -> Case:
    body = os.urandom(LARGE_BYTES)
    return _put(s3, name, before=None, body=body, headers={"If-None-Match": "*"})


async def _copy(s3: S3Client, name: str) -> Case:
    source = f"{name}-source"
    body = await _stored(s3, source)
    said = {"x-amz-copy-source": f"{BUCKET}/{source}"}
    return Case(
        lambda: s3.request("PUT", _path(name), headers=said),
        _looking(s3, name, source),
        (None, _hash(body)),
        (_hash(body), _hash(body)),
    )


async def _upload_part(s3: S3Client, name: str) -> Case:
    upload, body = await begin(s3, BUCKET, name), os.urandom(LARGE_BYTES)
    return Case(
        lambda: upload.put(1, body),
        lambda: _parts_of(upload),
        ([],),
        ([("1", str(len(body)))],),
    )


async def _upload_part_copy(s3: S3Client, name: str) -> Case:
    source = f"{name}-source"
    await _stored(s3, source)
    upload = await begin(s3, BUCKET, name)
    first_bytes = {"x-amz-copy-source-range": "bytes=0-9999"}
    return Case(
        lambda: upload.copy(1, f"{BUCKET}/{source}", headers=first_bytes),
        lambda: _parts_of(upload),
        ([],),
        ([("1", "10000")],),
    )


async def _complete(s3: S3Client, name: str) -> Case:
    upload, body = await begin(s3, BUCKET, name), os.urandom(LARGE_BYTES)
    parts = await upload.sent(body)

    async def look() -> States:
        return await _body_of(s3, _path(name)), *(await _parts_of(upload))

    return Case(
        lambda: upload.complete([SentPart(1, parts[0].etag)]),
        look,
        (None, [("1", str(len(body)))]),
        (_hash(body), None),
    )


async def _abort(s3: S3Client, name: str) -> Case:
    upload, body = await begin(s3, BUCKET, name), os.urandom(LARGE_BYTES)
    await upload.sent(body)
    return Case(upload.abort, lambda: _parts_of(upload), ([("1", str(len(body)))],), (None,))


async def _delete(s3: S3Client, name: str) -> Case:
    body = await _stored(s3, name)
    return Case(lambda: s3.delete(_path(name)), _looking(s3, name), (_hash(body),), (None,))


async def _delete_several(s3: S3Client, name: str) -> Case:
    names = [f"{name}-{number}" for number in range(2)]
    bodies = [await _stored(s3, each) for each in names]
    keys = "".join(f"<Object><Key>{escape(each)}</Key></Object>" for each in names)
    document = f"<Delete>{keys}</Delete>".encode()
    said = {"x-amz-checksum-sha256": sha256_base64(document)}
    return Case(
        lambda: s3.request("POST", f"/{BUCKET}?delete", headers=said, body=document),
        _looking(s3, *names),
        tuple(_hash(body) for body in bodies),
        tuple(None for _ in bodies),
        is_one=False,
    )


async def _put_tags(s3: S3Client, name: str) -> Case:
    body = await _stored(s3, name)
    document = b"<Tagging><TagSet><Tag><Key>colour</Key><Value>red</Value></Tag></TagSet></Tagging>"
    said = {"x-amz-checksum-sha256": sha256_base64(document)}

    async def look() -> States:
        answer = await s3.get(f"{_path(name)}?tagging")
        assert answer.status == 200, answer
        return await _body_of(s3, _path(name)), answer.texts("TagSet/Tag/Key")

    return Case(
        lambda: s3.request("PUT", f"{_path(name)}?tagging", headers=said, body=document),
        look,
        (_hash(body), []),
        (_hash(body), ["colour"]),
    )


KINDS: Mapping[str, Arrange] = {
    "PutObject, kept in its row": _put_small,
    "PutObject, a blob": _put_blob,
    "PutObject over another": _replace,
    "PutObject of bytes that are there": _put_what_is_there,
    "PutObject with If-None-Match": _put_new,
    "CopyObject": _copy,
    "UploadPart": _upload_part,
    "UploadPartCopy": _upload_part_copy,
    "CompleteMultipartUpload": _complete,
    "AbortMultipartUpload": _abort,
    "DeleteObject": _delete,
    "DeleteObjects": _delete_several,
    "PutObjectTagging": _put_tags,
}


def _put(
    s3: S3Client,
    name: str,
    *,
    before: bytes | None,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> Case:
    held = None if before is None else _hash(before)
    return Case(
        lambda: s3.put(_path(name), body=body, headers=headers),
        _looking(s3, name),
        (held,),
        (_hash(body),),
    )


async def _stored(s3: S3Client, name: str) -> bytes:
    body = os.urandom(LARGE_BYTES)
    answer = await s3.put(_path(name), body=body)
    assert answer.status == 200, answer
    return body


def _looking(s3: S3Client, *names: str) -> Callable[[], Awaitable[States]]:
    async def look() -> States:
        return tuple([await _body_of(s3, _path(name)) for name in names])

    return look


async def _body_of(s3: S3Client, path: str) -> str | None:
    answer = await s3.get(path)
    if answer.refusal == (404, "NoSuchKey"):
        return None
    assert answer.status == 200, answer
    return _hash(answer.body)


async def _parts_of(upload: Upload) -> States:
    answer = await upload.parts()
    if answer.refusal == (404, "NoSuchUpload"):
        return (None,)
    assert answer.status == 200, answer
    numbers, sizes = answer.texts("Part/PartNumber"), answer.texts("Part/Size")
    return (list(zip(numbers, sizes, strict=True)),)


def _path(name: str) -> str:
    return f"/{BUCKET}/{name}"


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
