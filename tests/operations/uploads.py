"""Multipart uploads as clients make them, a request at a time."""

import base64
import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.fix_s3 import S3Client, path_of
from tests.wire import Answer

MIB = 1 << 20
MIN_PART = 5 * MIB


def random_bytes(size: int, seed: int = 0) -> bytes:
    """Return bytes that are the same in every run."""
    return random.Random(f"{size} {seed}").randbytes(size)


def md5_hex(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def multipart_etag(bodies: Iterable[bytes]) -> str:
    """Return the ETag that S3 gives to an object of these parts."""
    digests = [bytes.fromhex(md5_hex(body)) for body in bodies]
    return f"{md5_hex(b''.join(digests))}-{len(digests)}"


def base64_of(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@dataclass(frozen=True)
class SentPart:
    """A part as the list of CompleteMultipartUpload names it."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)  # by algorithm


def complete_document(parts: Iterable[SentPart]) -> bytes:
    """Return the body of CompleteMultipartUpload."""
    rows = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
        + "".join(f"<Checksum{n}>{v}</Checksum{n}>" for n, v in part.checksums.items())
        + "</Part>"
        for part in parts
    )
    return (
        '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{rows}</CompleteMultipartUpload>"
    ).encode()


@dataclass(frozen=True)
class Upload:
    """An upload in progress. path: of its key, percent-encoded."""

    s3: S3Client
    path: str
    id: str

    async def put(
        self, number: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """UploadPart."""
        target = f"{self.path}?partNumber={number}&uploadId={self.id}"
        return await self.s3.put(target, body=body, headers=headers)

    async def copy(
        self, number: int, source: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """UploadPartCopy. source: "bucket/key", percent-encoded."""
        target = f"{self.path}?partNumber={number}&uploadId={self.id}"
        sent = {"x-amz-copy-source": source, **(headers or {})}
        return await self.s3.request("PUT", target, headers=sent)

    async def sent(self, *bodies: bytes) -> list[SentPart]:
        """Upload the bodies as the parts 1, 2, 3 …; return them."""
        answers = [await self.put(number, body) for number, body in enumerate(bodies, start=1)]
        assert [answer.status for answer in answers] == [200] * len(bodies)
        return [SentPart(number, each.etag) for number, each in enumerate(answers, start=1)]

    async def complete(
        self, parts: Sequence[SentPart], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """CompleteMultipartUpload."""
        target = f"{self.path}?uploadId={self.id}"
        return await self.s3.post(target, body=complete_document(parts), headers=headers)

    async def abort(self, headers: Mapping[str, str] | None = None) -> Answer:
        """AbortMultipartUpload."""
        return await self.s3.delete(f"{self.path}?uploadId={self.id}", headers=headers)

    async def parts(self, query: str = "") -> Answer:
        """ListParts. query: more parameters, each with "&" before it."""
        return await self.s3.get(f"{self.path}?uploadId={self.id}{query}")


async def begin(
    s3: S3Client, bucket: str, key: str = "key", headers: Mapping[str, str] | None = None
) -> Upload:
    """Return a new upload."""
    path = path_of(bucket, key)
    created = await s3.post(f"{path}?uploads", headers=headers)
    assert created.status == 200, created.body
    # Not parsed: a key with a control character is no XML for Python.
    upload_id = re.search(rb"<UploadId>([A-Za-z0-9._]+)</UploadId>", created.body)
    assert upload_id is not None
    return Upload(s3, path, upload_id[1].decode())


async def stored(
    s3: S3Client, bucket: str, key: str, *bodies: bytes, headers: Mapping[str, str] | None = None
) -> Upload:
    """Store an object of these parts; return its upload, completed."""
    upload = await begin(s3, bucket, key, headers)
    completed = await upload.complete(await upload.sent(*bodies))
    assert completed.status == 200, completed.body
    return upload
