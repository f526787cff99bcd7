"""Bodies on their way out: D9 for those that live in rows, and objects that go during a read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.blobs.errors import RottenRow, StorageError
from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.receiving import ReceivedBlob
from server.blobs.store import BlobStore
from server.metadata import blobs, multipart_uploads
from server.metadata.connection import Connection, connect
from server.metadata.store import Metadata
from server.model.blob import InlineBody, ManifestBody, Slice
from server.model.bucket import Bucket
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import ETag
from server.model.object_version import ObjectContent
from server.operation import Stores, Stream
from server.reading import Selection, open_body
from server.rules.checksums import checksum_of
from tests.blobs.bodies import BodyOf, random_bytes
from tests.metadata.rows import new_bucket, new_upload

DATA = b"a small body"
# More than the slices that are asked for at once.
PARTS = 40


@dataclass(frozen=True)
class Opened:
    stores: Stores
    conn: Connection
    bucket: Bucket


@pytest.fixture
async def opened(database_url: str, tmp_path: Path) -> AsyncIterator[Opened]:
    """The stores of a worker, and a connection to look behind them."""
    open_layout(tmp_path / "blobs", ReadOnlyFlag())
    store = BlobStore.open(
        tmp_path / "blobs", inline_limit=0, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
    )
    async with (
        Metadata.opened(database_url, connections=2, timeout_seconds=10) as metadata,
        await connect(database_url) as conn,
    ):
        yield Opened(Stores(metadata, store, "us-east-1"), conn, await new_bucket(conn))
    store.close()


def content_of(
    body: InlineBody | ManifestBody, size: int, checksum: Checksum | None
) -> ObjectContent:
    return ObjectContent(
        body=body,
        size=size,
        etag=ETag("0" * 32),
        storage_class="STANDARD",
        headers={},
        user_metadata={},
        tags={},
        checksum=checksum,
    )


def inline(algorithm: ChecksumAlgorithm) -> ObjectContent:
    checksum = Checksum(algorithm, ChecksumType.FULL_OBJECT, checksum_of(algorithm, DATA))
    return content_of(InlineBody(DATA), len(DATA), checksum)


def rotten(content: ObjectContent) -> ObjectContent:
    """Return the content after a bit of its row has tipped over on the disk."""
    return replace(content, body=InlineBody(bytes([DATA[0] ^ 1]) + DATA[1:]))


def whole(size: int) -> Selection:
    return Selection(0, size - 1, is_partial=False, parts=None)


@pytest.mark.parametrize("algorithm", list(ChecksumAlgorithm))
async def test_a_body_in_its_row_is_read_as_it_was_written(
    opened: Opened, algorithm: ChecksumAlgorithm
) -> None:
    assert await open_body(opened.stores, inline(algorithm), whole(len(DATA))) == DATA


@pytest.mark.parametrize("algorithm", list(ChecksumAlgorithm))
@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(whole(len(DATA)), id="all of it"),
        pytest.param(Selection(5, 6, is_partial=True, parts=None), id="a range beside the rot"),
    ],
)
async def test_a_rotten_body_in_its_row_is_not_served(
    opened: Opened, algorithm: ChecksumAlgorithm, selection: Selection
) -> None:
    """Any PostgreSQL may keep the rows; without data checksums it hands out what the disk says."""
    with pytest.raises(RottenRow):
        await open_body(opened.stores, rotten(inline(algorithm)), selection)


async def object_of_parts(opened: Opened) -> tuple[ObjectContent, bytes]:
    """Return an object of PARTS parts, each a blob of its own, and its bytes."""
    upload = await new_upload(opened.conn, opened.bucket)
    data = random_bytes(PARTS * 10)
    for number in range(1, PARTS + 1):
        body = BodyOf(data[number * 10 - 10 : number * 10])
        async with opened.stores.blobs.receive_blob(body) as received:
            await _store_part(opened, upload, number, received)
    await multipart_uploads.keep_only(opened.conn, upload, range(1, PARTS + 1))
    return content_of(ManifestBody(upload.manifest_id, PARTS), len(data), None), data


async def _store_part(
    opened: Opened,
    upload: MultipartUpload,
    number: int,
    received: ReceivedBlob,
) -> None:
    blob = received.blob
    await blobs.lock_for_writing(opened.conn, [blob])
    await opened.stores.blobs.publish([received])
    part = Part(number, blob.size, ETag("0" * 32), datetime.now(UTC), None, None)
    await multipart_uploads.put_part(opened.conn, upload, part, [Slice(blob, 0, blob.size)])


async def test_an_object_of_more_parts_than_a_page_is_read_to_its_end(opened: Opened) -> None:
    content, data = await object_of_parts(opened)

    body = await open_body(opened.stores, content, whole(len(data)))

    assert isinstance(body, Stream)
    assert b"".join([bytes(piece) async for piece in body.pieces]) == data
    await body.close()


async def test_a_read_whose_parts_are_swept_breaks_off_and_does_not_just_end(
    opened: Opened,
) -> None:
    """Else the connection would stay open, and its client would take the next answer, or nothing
    at all, for the rest of this body."""
    content, data = await object_of_parts(opened)
    body = await open_body(opened.stores, content, whole(len(data)))
    assert isinstance(body, Stream)
    got = bytes(await anext(body.pieces))
    await opened.conn.execute("DELETE FROM multipart_upload")
    await opened.conn.execute("DELETE FROM manifest")

    with pytest.raises(StorageError, match="gone during a read"):
        got += b"".join([bytes(piece) async for piece in body.pieces])

    assert data.startswith(got)
    await body.close()
