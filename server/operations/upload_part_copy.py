"""UploadPartCopy: PUT /{Bucket}/{Key}?partNumber&uploadId with x-amz-copy-source

https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
No byte is written: the part names the slices of blobs that the source's range lies in. The range
is read once, for the checksum of the part. The ETag is not the MD5 of the bytes, which nobody
compares: that of the object will be made of those of its parts.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from server.copying import SourceGone, checksum_of_range, find_source, lock_slices
from server.errors import ErrorCode, S3Error
from server.metadata.connection import Connection
from server.model.blob import InlineBody, Slice
from server.model.checksum import ChecksumAlgorithm
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import ETag
from server.model.object_version import ObjectContent
from server.operation import ObjectRequest, S3Reply, Stores
from server.parts import find_upload, store_part
from server.reading import READ_TRIES, Selection, slices_of
from server.rules.checksums import BodyDigests
from server.rules.copy_source import parse_copy_source
from server.rules.entity_sizes import check_copy_size
from server.rules.multipart import parse_part_number
from server.rules.ranges import parse_copy_range
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.writing import publishing
from xml_responses.copies import copy_part_result


@dataclass(frozen=True, slots=True)
class BytesOfRow:
    """A small body that was kept in the row of its version, on its way into a blob."""

    data: bytes
    checksum_algorithm: ChecksumAlgorithm | None = None
    compares_sha256 = False

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return len(self.data)

    def arrived(self, limit: int) -> bytes | None:
        """Return all of it where it is small enough."""
        return self.data if len(self.data) <= limit else None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield all of it."""
        yield self.data

    def verify(self, digests: BodyDigests) -> None:
        """Return: the row is where these bytes were verified before they were stored."""


async def upload_part_copy(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Make a range of the source the part of that number."""
    refuse_unsupported_headers(request.headers)
    number = parse_part_number(request.query["partNumber"])
    source = parse_copy_source(request.headers["x-amz-copy-source"])
    upload = await find_upload(request, stores)
    algorithm = upload.checksum_algorithm or ChecksumAlgorithm.CRC64NVME

    for _ in range(READ_TRIES):
        version = await find_source(request, stores, source)
        selection = _selection(request, version.content)
        try:
            checksum = await checksum_of_range(stores, version.content, selection, algorithm)
            part, modified = await _store(
                request, stores, upload, version.content, selection, (number, algorithm, checksum)
            )
        except SourceGone:
            continue
        body = copy_part_result(
            last_modified=modified,
            etag=part.etag,
            checksum_algorithm=part.checksum_algorithm,
            checksum=part.checksum,
        )
        return S3Reply(headers={"Content-Type": "application/xml"}, body=body)
    # A row that stays, whose blob does not: not a race with the sweep, but a loss.
    raise S3Error(ErrorCode.InternalError)


def _selection(request: ObjectRequest, content: ObjectContent) -> Selection:
    header = request.headers.get("x-amz-copy-source-range")
    first, last = 0, content.size - 1
    if header is not None:
        first, last = parse_copy_range(header, content.size)
    selection = Selection(first, last, is_partial=header is not None, parts=None)
    check_copy_size(selection.length)
    return selection


async def _store(
    request: ObjectRequest,
    stores: Stores,
    upload: MultipartUpload,
    content: ObjectContent,
    selection: Selection,
    said: tuple[int, ChecksumAlgorithm, str],
) -> tuple[Part, datetime]:
    if isinstance(content.body, InlineBody):
        data = content.body.data[selection.first : selection.last + 1]
        async with stores.blobs.receive_blob(BytesOfRow(data)) as received:
            slices: Sequence[Slice] = [Slice(received.blob, 0, len(data))] if data else []
            part = _part(said, slices, selection.length)
            prepare = publishing(stores, received)
            return part, await store_part(request, stores, upload, part, slices, prepare)

    slices = await slices_of(stores, content, selection)
    if sum(piece.length for piece in slices) != selection.length:
        raise SourceGone

    async def prepare_slices(conn: Connection) -> None:
        await lock_slices(conn, [piece.blob.digest for piece in slices])

    part = _part(said, slices, selection.length)
    return part, await store_part(request, stores, upload, part, slices, prepare_slices)


def _part(said: tuple[int, ChecksumAlgorithm, str], slices: Sequence[Slice], size: int) -> Part:
    number, algorithm, checksum = said
    named = hashlib.md5(usedforsecurity=False)
    for piece in slices:
        named.update(piece.blob.digest)
        named.update(f"{piece.offset}+{piece.length};".encode())
    return Part(number, size, ETag(named.hexdigest()), datetime.now(UTC), algorithm, checksum)
