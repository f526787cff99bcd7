import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.metadata import manifests, multipart_uploads
from server.metadata.connection import Connection
from server.metadata.multipart_uploads import CompletedUpload
from server.model.blob import Slice
from server.model.bucket import Bucket
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.multipart_upload import MultipartUpload
from server.model.names import ETag, ObjectKey, UploadId
from server.rules.positions import prefix_end
from tests.metadata.rows import blob, count, is_waiting, new_upload, put_part

KEY = ObjectKey("key")
ID = UploadId("upload")


async def test_an_upload_is_found_with_all_that_was_said(conn: Connection, home: Bucket) -> None:
    upload = await new_upload(conn, home, "key", "upload")

    assert upload == MultipartUpload(
        id=upload.id,
        upload_id=ID,
        key=KEY,
        manifest_id=upload.manifest_id,
        initiated=upload.initiated,
        storage_class="STANDARD",
        headers={"Content-Type": "text/plain"},
        user_metadata={"colour": "grün"},
        tags={"project": "blau"},
        checksum_algorithm=ChecksumAlgorithm.CRC32,
        checksum_type=ChecksumType.COMPOSITE,
    )
    assert abs(upload.initiated.timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("bucket_id", "key", "upload_id"),
    [
        pytest.param(0, "key", "another", id="another id"),
        pytest.param(0, "another", "upload", id="another key"),
        pytest.param(1, "key", "upload", id="another bucket"),
    ],
)
async def test_an_upload_is_found_only_by_its_own_bucket_key_and_id(
    conn: Connection, home: Bucket, bucket_id: int, key: str, upload_id: str
) -> None:
    await new_upload(conn, home, "key", "upload")
    place = home.id + bucket_id, ObjectKey(key), UploadId(upload_id)

    assert await multipart_uploads.find(conn, *place) is None
    assert await multipart_uploads.share(conn, *place) is None
    assert await multipart_uploads.lock(conn, *place) is None


async def test_a_part_of_the_same_number_replaces_the_other_and_releases_its_blob(
    conn: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    await put_part(conn, upload, 2, [Slice(blob("first"), 0, 5)])
    second = await put_part(conn, upload, 2, [Slice(blob("second", 9), 1, 3)])

    stored, more = await manifests.parts(conn, upload.manifest_id, after=0, limit=10)

    assert [replace(part, last_modified=second.last_modified) for part in stored] == [second]
    assert not more
    cursor = await conn.execute("SELECT digest FROM released_blob")
    assert await cursor.fetchall() == [(blob("first").digest,)]


async def test_an_empty_part_has_no_slices(conn: Connection, home: Bucket) -> None:
    upload = await new_upload(conn, home)

    await put_part(conn, upload, 1, [])

    assert await count(conn, "part") == 1
    assert await count(conn, "slice") == 0


async def test_keep_only_drops_other_parts_and_places_those_that_stay(
    conn: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    for number in (1, 3, 7, 9):
        await put_part(conn, upload, number, [Slice(blob(str(number), number), 0, number)])

    await multipart_uploads.keep_only(conn, upload, [3, 9])

    placed = [await manifests.nth_part(conn, upload.manifest_id, nth) for nth in (1, 2, 3)]
    assert [each and (each.part.number, each.first_byte) for each in placed] == [
        (3, 0),
        (9, 3),
        None,
    ]
    assert await count(conn, "released_blob") == 2


async def test_a_finished_upload_is_remembered_but_not_in_progress(
    conn: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    checksum = Checksum(ChecksumAlgorithm.SHA256, ChecksumType.COMPOSITE, "abc=-1")
    said = CompletedUpload(b"\x01" * 32, ETag("etag-1"), checksum)

    await multipart_uploads.finish(conn, upload, said)

    place = home.id, KEY, ID
    assert await multipart_uploads.lock(conn, *place) == said
    assert await multipart_uploads.find(conn, *place) is None
    assert await multipart_uploads.share(conn, *place) is None


async def test_a_finished_upload_without_a_checksum_has_none(
    conn: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    said = CompletedUpload(b"\x01" * 32, ETag("etag-1"), None)

    await multipart_uploads.finish(conn, upload, said)

    assert await multipart_uploads.lock(conn, home.id, KEY, ID) == said


async def test_deleting_an_upload_releases_its_manifest(conn: Connection, home: Bucket) -> None:
    upload = await new_upload(conn, home)
    await put_part(conn, upload, 1, [Slice(blob("x"), 0, 5)])

    await multipart_uploads.delete(conn, upload)

    assert await multipart_uploads.find(conn, home.id, KEY, ID) is None
    assert await count(conn, "released_manifest") == 1


async def test_parts_arrive_together_but_none_behind_the_end_of_the_upload(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    await new_upload(conn, home)
    place = home.id, KEY, ID
    async with conn.transaction():
        await multipart_uploads.share(conn, *place)
        async with other.transaction():
            assert await multipart_uploads.share(other, *place) is not None
        ending = asyncio.create_task(_end(other, *place))
        waited = await is_waiting(ending)

    await ending
    assert waited
    assert await multipart_uploads.share(conn, *place) is None


async def test_a_part_that_waited_for_the_end_of_its_upload_finds_none(
    conn: Connection, other: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    async with conn.transaction():
        await multipart_uploads.lock(conn, home.id, KEY, ID)
        sharing = asyncio.create_task(multipart_uploads.share(other, home.id, KEY, ID))
        waited = await is_waiting(sharing)
        said = CompletedUpload(b"\x01" * 32, ETag("etag-1"), None)
        await multipart_uploads.finish(conn, upload, said)

    assert waited
    assert await sharing is None


async def _end(conn: Connection, bucket_id: int, key: ObjectKey, upload_id: UploadId) -> None:
    async with conn.transaction():
        upload = await multipart_uploads.lock(conn, bucket_id, key, upload_id)
        assert isinstance(upload, MultipartUpload)
        await multipart_uploads.delete(conn, upload)


async def listed(
    conn: Connection,
    home: Bucket,
    *,
    prefix: str = "",
    delimiter: str = "",
    start: str = "",
    after: tuple[str, int] = ("", 0),
    limit: int = 100,
) -> tuple[Sequence[str], Sequence[str], bool]:
    page = await multipart_uploads.page(
        conn,
        home.id,
        start=max(start, prefix),
        end=prefix_end(prefix),
        after=after,
        limit=limit,
        prefix=prefix,
        delimiter=delimiter,
    )
    return [e.upload_id for e in page.entries], list(page.common_prefixes), page.is_truncated


@pytest.fixture
async def uploads(conn: Connection, home: Bucket) -> Sequence[MultipartUpload]:
    """Their ids say their keys, and their order where a key has more than one."""
    ids = ["a/1", "a/2", "b", "a/1'", "c/1/x", "c/2", "d", "Z"]
    made = [await new_upload(conn, home, upload_id.rstrip("'"), upload_id) for upload_id in ids]
    gone = await new_upload(conn, home, "completed", "completed")
    await multipart_uploads.finish(conn, gone, CompletedUpload(b"", ETag("e-1"), None))
    return made


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        pytest.param(
            {}, (["Z", "a/1", "a/1'", "a/2", "b", "c/1/x", "c/2", "d"], [], False), id="all"
        ),
        pytest.param({"limit": 2}, (["Z", "a/1"], [], True), id="limit"),
        pytest.param(
            {"limit": 8},
            (["Z", "a/1", "a/1'", "a/2", "b", "c/1/x", "c/2", "d"], [], False),
            id="limit is all",
        ),
        pytest.param({"prefix": "c/"}, (["c/1/x", "c/2"], [], False), id="prefix"),
        pytest.param({"delimiter": "/"}, (["Z", "b", "d"], ["a/", "c/"], False), id="delimiter"),
        pytest.param({"delimiter": "/", "prefix": "c/"}, (["c/2"], ["c/1/"], False), id="both"),
        pytest.param({"delimiter": "/", "limit": 1}, (["Z"], [], True), id="one of a page"),
        pytest.param({"delimiter": "/", "limit": 2}, (["Z"], ["a/"], True), id="two of a page"),
        pytest.param(
            {"delimiter": "/", "limit": 4}, (["Z", "b"], ["a/", "c/"], True), id="four of a page"
        ),
        pytest.param(
            {"delimiter": "/", "start": "b", "limit": 2}, (["b"], ["c/"], True), id="start"
        ),
        pytest.param({"start": "e"}, ([], [], False), id="behind all"),
    ],
)
@pytest.mark.usefixtures("uploads")
async def test_page_lists_uploads_by_key_and_time(
    conn: Connection,
    home: Bucket,
    wanted: dict[str, str],
    page: tuple[Sequence[str], Sequence[str], bool],
) -> None:
    assert await listed(conn, home, **wanted) == page  # type: ignore[arg-type]


async def test_a_page_goes_on_behind_one_of_the_uploads_of_a_key(
    conn: Connection, home: Bucket, uploads: Sequence[MultipartUpload]
) -> None:
    place = await multipart_uploads.place_of(conn, home.id, uploads[0].upload_id)
    assert place == uploads[0].id

    page = await listed(conn, home, start="a/1", after=("a/1", place), limit=2)

    assert page == (["a/1'", "a/2"], [], True)


async def test_an_upload_that_is_gone_has_no_place(conn: Connection, home: Bucket) -> None:
    assert await multipart_uploads.place_of(conn, home.id, UploadId("gone")) is None


@pytest.mark.slow
async def test_a_page_with_a_delimiter_leaps_over_its_prefixes(
    conn: Connection, home: Bucket
) -> None:
    await conn.execute(
        "WITH made AS (INSERT INTO manifest SELECT FROM generate_series(1, 50000) RETURNING id)"
        " INSERT INTO multipart_upload (upload_id, bucket_id, key, manifest_id, storage_class,"
        "                               headers, user_metadata)"
        " SELECT 'u' || id, %s, 'p' || id %% 100 || '/' || id, id, 'STANDARD', '{}', '{}'"
        "   FROM made",
        [home.id],
    )

    began = time.perf_counter()
    page = await listed(conn, home, delimiter="/", limit=1000)

    assert len(page[1]) == 100
    assert time.perf_counter() - began < 1


@pytest.mark.slow
async def test_ten_thousand_parts_are_placed_in_less_than_two_seconds(
    conn: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    piece = Slice(blob("piece"), 0, 5)
    await put_part(conn, upload, 1, [piece])
    await conn.execute(
        "INSERT INTO part (manifest_id, number, size, etag)"
        " SELECT %s, n, 5, 'etag' FROM generate_series(2, 10000) AS n",
        [upload.manifest_id],
    )
    await conn.execute(
        "INSERT INTO slice SELECT %s, n, 0, %s, 0, 5 FROM generate_series(2, 10000) AS n",
        [upload.manifest_id, piece.blob.digest],
    )

    began = time.perf_counter()
    async with conn.transaction():
        await multipart_uploads.keep_only(conn, upload, list(range(1, 10_001)))
    took = time.perf_counter() - began

    last = await manifests.nth_part(conn, upload.manifest_id, 10_000)
    assert last is not None
    assert last.first_byte == 49_995
    assert took < 2


async def test_the_time_of_a_part_is_that_of_its_last_upload(
    conn: Connection, home: Bucket
) -> None:
    upload = await new_upload(conn, home)
    await put_part(conn, upload, 1, [Slice(blob("x"), 0, 5)])
    await conn.execute("UPDATE part SET last_modified = '2020-01-01Z'")

    part = await put_part(conn, upload, 1, [Slice(blob("y"), 0, 5)])

    modified = await multipart_uploads.put_part(conn, upload, part, [])
    assert abs((datetime.now(UTC) - modified).total_seconds()) < 60
    assert modified.microsecond == 0
