import asyncio
from collections.abc import Sequence

import pytest

from server.metadata import manifests
from server.metadata.connection import Connection
from server.model.blob import Slice
from server.model.bucket import Bucket
from server.model.multipart_upload import MultipartUpload
from tests.metadata.rows import blob, complete, is_waiting, new_upload, put_part

# A part of one slice, one of three slices, one whose number leaves a gap.
PARTS: dict[int, Sequence[Slice]] = {
    1: [Slice(blob("one", 10), 0, 10)],
    2: [
        Slice(blob("two", 100), 90, 4),
        Slice(blob("three", 7), 1, 5),
        Slice(blob("two", 100), 0, 6),
    ],
    9: [Slice(blob("four", 3), 0, 3)],
}
BYTES = [
    (piece.blob.digest, piece.offset + byte)
    for number in PARTS
    for piece in PARTS[number]
    for byte in range(piece.length)
]


@pytest.fixture
async def upload(conn: Connection, home: Bucket) -> MultipartUpload:
    """A completed upload of PARTS and, as its last part, an empty one."""
    upload = await new_upload(conn, home)
    for number, slices in (*PARTS.items(), (10, [])):
        await put_part(conn, upload, number, slices)
    await complete(conn, home, upload, len(BYTES))
    return upload


async def bytes_of(
    conn: Connection, manifest_id: int, first: int, last: int
) -> list[tuple[bytes, int]]:
    """Return which bytes of which blobs hold a range, read in as many pages as it takes."""
    found: list[tuple[bytes, int]] = []
    while len(found) < last - first + 1:
        page = await manifests.slices(conn, manifest_id, first=first + len(found), last=last)
        assert page, "slices end before the range does"
        for piece in page:
            found += [(piece.blob.digest, piece.offset + byte) for byte in range(piece.length)]
    return found


async def test_every_range_is_found_byte_by_byte(conn: Connection, upload: MultipartUpload) -> None:
    ranges = [(a, b) for a in range(len(BYTES)) for b in range(a, len(BYTES))]

    found = [await bytes_of(conn, upload.manifest_id, *each) for each in ranges]

    assert found == [BYTES[first : last + 1] for first, last in ranges]


async def test_slices_bring_the_crcs_of_their_blobs(
    conn: Connection, upload: MultipartUpload
) -> None:
    (first, *_) = await manifests.slices(conn, upload.manifest_id, first=2, last=4)

    assert first == Slice(blob("one", 10), 2, 3)


async def test_nothing_lies_behind_the_end_or_in_a_manifest_that_is_gone(
    conn: Connection, upload: MultipartUpload
) -> None:
    size = len(BYTES)

    assert await manifests.slices(conn, upload.manifest_id, first=size, last=size + 9) == []
    assert await manifests.slices(conn, upload.manifest_id + 1, first=0, last=9) == []


async def test_many_slices_come_in_pages(conn: Connection, home: Bucket) -> None:
    many = await new_upload(conn, home, "many", "many")
    for number in range(1, 60):
        await put_part(conn, many, number, [Slice(blob(f"b{number}", 2), 0, 2)])
    await complete(conn, home, many, 118)

    page = await manifests.slices(conn, many.manifest_id, first=0, last=117)
    found = await bytes_of(conn, many.manifest_id, 0, 117)

    assert 1 < len(page) < 59
    assert found == [(blob(f"b{number}").digest, at) for number in range(1, 60) for at in (0, 1)]


async def test_parts_are_counted_whatever_their_numbers(
    conn: Connection, upload: MultipartUpload
) -> None:
    placed = [await manifests.nth_part(conn, upload.manifest_id, nth) for nth in range(1, 6)]

    assert [each and (each.part.number, each.first_byte, each.part.size) for each in placed] == [
        (1, 0, 10),
        (2, 10, 15),
        (9, 25, 3),
        (10, 28, 0),
        None,
    ]


async def test_a_part_of_an_upload_in_progress_is_at_no_place(
    conn: Connection, home: Bucket
) -> None:
    unfinished = await new_upload(conn, home, "unfinished", "unfinished")
    await put_part(conn, unfinished, 1, PARTS[1])

    assert await manifests.nth_part(conn, unfinished.manifest_id, 1) is None


@pytest.mark.parametrize(
    ("after", "limit", "numbers", "more"),
    [
        pytest.param(0, 10, [1, 2, 9, 10], False, id="all"),
        pytest.param(0, 4, [1, 2, 9, 10], False, id="exactly all"),
        pytest.param(0, 2, [1, 2], True, id="the first"),
        pytest.param(2, 1, [9], True, id="behind a number"),
        pytest.param(5, 9, [9, 10], False, id="behind a gap"),
        pytest.param(10, 9, [], False, id="behind all"),
    ],
)
async def test_parts_come_in_pages(
    conn: Connection,
    upload: MultipartUpload,
    after: int,
    limit: int,
    numbers: list[int],
    more: bool,
) -> None:
    found, follows = await manifests.parts(conn, upload.manifest_id, after=after, limit=limit)

    assert [part.number for part in found] == numbers
    assert follows is more


async def test_a_manifest_that_is_locked_for_reference_stays(
    conn: Connection, other: Connection, upload: MultipartUpload
) -> None:
    delete = "DELETE FROM manifest WHERE id = %s"
    await conn.execute("DELETE FROM object_version")
    async with conn.transaction():
        locked = await manifests.lock_for_reference(conn, upload.manifest_id)
        deleting = asyncio.create_task(other.execute(delete, [upload.manifest_id]))
        waited = await is_waiting(deleting)

    await deleting
    assert (locked, waited) == (True, True)
    assert not await manifests.lock_for_reference(conn, upload.manifest_id)


@pytest.mark.slow
async def test_a_range_costs_what_it_returns_not_what_it_passes_over(
    conn: Connection, home: Bucket
) -> None:
    many = await new_upload(conn, home, "many", "many")
    piece = Slice(blob("piece"), 0, 5)
    await put_part(conn, many, 1, [piece])
    values = {"id": many.manifest_id, "digest": piece.blob.digest}
    await conn.execute(
        "INSERT INTO part (manifest_id, number, size, first_byte, etag)"
        " SELECT %(id)s, n, 5, (n - 1) * 5, 'etag' FROM generate_series(2, 10000) AS n",
        values,
    )
    await conn.execute(
        "INSERT INTO slice SELECT %(id)s, n, 0, %(digest)s, 0, 5"
        "  FROM generate_series(2, 10000) AS n",
        values,
    )
    for _ in range(10):
        await manifests.slices(conn, many.manifest_id, first=7, last=9)

    before = await _pages_touched(conn)
    found = await manifests.slices(conn, many.manifest_id, first=49_990, last=49_994)
    touched = await _pages_touched(conn) - before

    assert found == [Slice(piece.blob, 0, 5)]
    assert touched < 40


async def _pages_touched(conn: Connection) -> int:
    await conn.execute("SELECT pg_stat_force_next_flush()")
    await conn.execute("SELECT 1")
    row = await (
        await conn.execute(
            "SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint"
            "  FROM pg_statio_user_tables WHERE relname IN ('part', 'slice', 'blob')"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
