import pytest

from server.metadata import blobs, scrubs
from server.metadata.connection import Connection
from server.metadata.scrubs import Kind
from server.model.bucket import Bucket
from tests.metadata.rows import blob, put_blob

ALL = [blob(str(number)) for number in range(4)]


@pytest.mark.parametrize(
    ("kind", "index", "condition"),
    [
        pytest.param(Kind.NeverSeen, "blob_seen_whole", "(seen_whole IS NULL)", id="never seen"),
        pytest.param(Kind.SeenLongAgo, "blob_seen_whole", "(seen_whole < ", id="seen long ago"),
        pytest.param(Kind.Rotten, "blob_rotten", "(rotten < ", id="rotten"),
    ],
)
async def test_what_is_not_due_is_not_looked_through(
    conn: Connection, kind: Kind, index: str, condition: str
) -> None:
    """It is asked for every minute, and most of the time nothing is due of millions."""
    values = {"every_seconds": 1, "limit": 10, "passing": 0}
    async with conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL enable_sort = off")
        cursor = await conn.execute(b"EXPLAIN " + scrubs._DUE[kind].encode(), values)
        plan = [row[0].strip() for row in await cursor.fetchall()]

    [search] = [line for line in plan if line.startswith("Index Cond: ")]
    assert len([line for line in plan if f"using {index} on blob" in line]) == 1
    assert search.startswith(f"Index Cond: {condition}")


async def test_the_status_of_the_scrub_is_of_living_blobs(conn: Connection, home: Bucket) -> None:
    for each in ALL:
        await put_blob(conn, home, each.digest.hex(), each)
    await scrubs.seen_whole(conn, [ALL[1].digest])
    await scrubs.seen_rotten(conn, [ALL[2].digest])
    await conn.execute("UPDATE blob SET trashed = now() WHERE digest = %s", [ALL[3].digest])

    status = await scrubs.status(conn)

    whole = await blobs.find(conn, ALL[1].digest)
    assert whole is not None
    assert (status.never_seen, status.oldest, status.rotten) == (2, whole.seen_whole, 1)
