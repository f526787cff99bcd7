"""Reading an object: which version a request means, which of its bytes, and under which headers.

What GetObject, HeadObject, GetObjectAttributes and the copies have in common.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from server.blobs.errors import RottenRow, StorageError
from server.blobs.reading import OpenSlice
from server.errors import ErrorCode, S3Error
from server.metadata import manifests
from server.metadata.store import Allowed
from server.model.blob import BlobBody, InlineBody, ManifestBody, Slice
from server.model.bucket import Bucket
from server.model.names import ObjectKey
from server.model.object_version import ObjectContent, ObjectVersion
from server.model.value import value
from server.operation import ObjectRequest, Stores, Stream
from server.rules.checksums import checksum_of
from server.rules.conditional import (
    check_read_conditions,
    if_range_holds,
    parse_read_conditions,
)
from server.rules.etags import quote_etag
from server.rules.http_dates import format_http_date
from server.rules.multipart import parse_part_number
from server.rules.object_headers import reply_headers
from server.rules.ranges import check_range_or_part, no_such_part, parse_range
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.versions import names_null_version, no_such_version

# How often a body is looked for again whose blob or manifest was swept after its row was read.
READ_TRIES = 3


@value()
class Selection:
    """The bytes that a read asks for, both ends inclusive; first > last of an empty object."""

    first: int
    last: int
    is_partial: bool  # asked for by Range or partNumber: the answer is 206
    parts: int | None  # of the whole object; None unless partNumber was asked for

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return self.last - self.first + 1


async def find_version(
    stores: Stores,
    bucket: Bucket,
    key: ObjectKey,
    version_id: str | None,
    allowed: Allowed,
    *,
    with_body: bool,
) -> ObjectVersion:
    """Return the version that is asked for. Raises S3Error NoSuchKey, NoSuchVersion.

    version_id: None for the current one; objects of an unversioned bucket have the version "null".
    """
    if not names_null_version(version_id):
        raise no_such_version(key, version_id or "")
    version = await stores.metadata.current(bucket.id, key, allowed, with_body=with_body)
    if version is None:
        raise S3Error(ErrorCode.NoSuchKey, Key=key)
    return version


async def find_for_read(
    request: ObjectRequest, stores: Stores, *, with_body: bool
) -> tuple[ObjectVersion, Selection]:
    """Return the version and the bytes of it that a GET or a HEAD asks for.

    Raises S3Error in S3's order: a malformed request, NoSuchKey, the conditions, the range.
    """
    refuse_unsupported_headers(request.headers)
    part = request.query.get("partNumber")
    check_range_or_part(request.headers.get("range"), part)
    number = None if part is None else parse_part_number(part)
    version = await find_version(
        stores,
        request.bucket,
        request.key,
        request.query.get("versionId"),
        request.grant,
        with_body=with_body,
    )
    check_read_conditions(
        parse_read_conditions(request.headers),
        etag=version.content.etag,
        last_modified=version.last_modified,
        now=datetime.now(UTC),
    )
    if number is not None:
        return version, await _select_part(stores, version.content, number)
    return version, _select_range(request.headers, version)


def read_headers(version: ObjectVersion, selection: Selection, *, checksum: bool) -> dict[str, str]:
    """Return the headers of a GET or a HEAD, without Content-Length.

    checksum: whether the client asked for it (x-amz-checksum-mode: ENABLED). S3 shows it only
        beside the whole object.
    """
    content = version.content
    headers = {
        "Last-Modified": format_http_date(version.last_modified),
        "ETag": quote_etag(content.etag),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        **reply_headers(content),
    }
    is_whole = selection.length == content.size
    if checksum and content.checksum is not None and is_whole:
        headers[content.checksum.algorithm.header] = content.checksum.value
        headers["x-amz-checksum-type"] = str(content.checksum.type)
    if selection.is_partial and selection.length:  # no Content-Range can say "no bytes"
        headers["Content-Range"] = f"bytes {selection.first}-{selection.last}/{content.size}"
    if selection.parts is not None:
        headers["x-amz-mp-parts-count"] = str(selection.parts)
    return headers


def wants_checksum(headers: Mapping[str, str]) -> bool:
    """Return whether the client asked for the checksum beside the object."""
    return headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"


async def open_body(
    stores: Stores, content: ObjectContent, selection: Selection
) -> bytes | Stream | None:
    """Return the selected bytes: small ones at once, others as a stream that is already open.

    None: the version was replaced, and its bytes swept, after its row was read; look again.
    Raises StorageError where the bytes are rotten (D9). The stream does, too, and where bytes that
    it has not opened yet were swept meanwhile.
    """
    body = content.body
    if isinstance(body, InlineBody):
        return _inline(content, body.data)[selection.first : selection.last + 1]
    if selection.length == 0:
        return b""
    slices = slices_in_order(stores, body, selection)
    # Opened before any header is sent: what is open stays readable whatever the sweep does.
    first = await anext(slices, None)
    opened = None if first is None else await stores.blobs.open_slice(first)
    if opened is None:
        return None
    stream = _pieces(stores, opened, slices, selection.length)

    async def close() -> None:
        await stream.aclose()
        await opened.close()  # a generator that was never begun has closed nothing

    return Stream(selection.length, stream, close)


async def _pieces(
    stores: Stores, opened: OpenSlice, slices: AsyncIterator[Slice], length: int
) -> AsyncGenerator[memoryview, None]:
    """Yield the bytes of the open slice and of those after it, exactly so many."""
    while True:
        async with opened, aclosing(opened.pieces()) as read:
            async for piece in read:
                length -= len(piece)
                yield piece
        if not length:
            return
        following = await anext(slices, None)
        if following is None:
            # To end here would look like the end of the object, and the client would wait for the
            # rest of what was announced.
            raise StorageError("the parts of an object are gone during a read")
        reopened = await stores.blobs.open_slice(following)
        if reopened is None:
            raise StorageError(f"blob {following.blob.digest.hex()} is gone during a read")
        opened = reopened


def _inline(content: ObjectContent, data: bytes) -> bytes:
    """Return the body of a row, verified: D9. PostgreSQL may run without checksums of its pages."""
    checksum = content.checksum
    if checksum is not None and checksum_of(checksum.algorithm, data) != checksum.value:
        raise RottenRow(checksum.algorithm.name)
    return data


async def slices_of(
    stores: Stores, content: ObjectContent, selection: Selection
) -> Sequence[Slice]:
    """Return where the selected bytes lie; fewer than selected where the manifest is gone."""
    if isinstance(content.body, InlineBody) or selection.length == 0:
        return []
    return [piece async for piece in slices_in_order(stores, content.body, selection)]


async def slices_in_order(
    stores: Stores, body: BlobBody | ManifestBody, selection: Selection
) -> AsyncIterator[Slice]:
    """Yield the slices that hold the selected bytes, in order; fewer where the manifest is gone."""
    if isinstance(body, BlobBody):
        yield Slice(body.blob, selection.first, selection.length)
        return
    position = selection.first
    while position <= selection.last:
        async with stores.metadata.connection() as conn:
            page = await manifests.slices(
                conn, body.manifest_id, first=position, last=selection.last
            )
        if not page:
            return
        for piece in page:
            yield piece
            position += piece.length


def _select_range(headers: Mapping[str, str], version: ObjectVersion) -> Selection:
    content = version.content
    header, if_range = headers.get("range"), headers.get("if-range")
    # Before the range is looked at: one that lies behind the end of a newer version is no error.
    if if_range is not None and not if_range_holds(
        if_range, etag=content.etag, last_modified=version.last_modified
    ):
        header = None
    selected = None if header is None else parse_range(header, content.size)
    if selected is None:
        return Selection(0, content.size - 1, is_partial=False, parts=None)
    return Selection(*selected, is_partial=True, parts=None)


async def _select_part(stores: Stores, content: ObjectContent, number: int) -> Selection:
    if not isinstance(content.body, ManifestBody):
        if number > 1:
            raise no_such_part(number, parts=1)
        return Selection(0, content.size - 1, is_partial=True, parts=None)
    async with stores.metadata.connection() as conn:
        placed = await manifests.nth_part(conn, content.body.manifest_id, number)
    if placed is None:
        raise no_such_part(number, parts=content.body.parts)
    last = placed.first_byte + placed.part.size - 1
    return Selection(placed.first_byte, last, is_partial=True, parts=content.body.parts)
