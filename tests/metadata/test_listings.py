import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.metadata import listings, object_versions
from server.metadata.connection import Connection
from server.model.bucket import Bucket
from server.model.listing import ListedObject, Page
from server.model.names import ObjectKey
from server.rules.positions import prefix_end
from tests.metadata.rows import content, new_bucket

FILL = """
    INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers,
                                user_metadata, body)
    SELECT %(bucket)s, key, 1, 'etag', 'STANDARD', '{}', '{}', ''
      FROM unnest(%(keys)s::text[]) AS key
"""
# Few different ones, so that keys share prefixes: delimiters, control characters, the last
# character before the surrogates and the first behind them, and characters beyond the BMP.
LETTERS = "a/b-\x01\x1f\x7fé\ud7ff\ue000\uffff😀\U0010ffff"
KEYS = st.text(LETTERS, min_size=1, max_size=6)
SHORT = st.text(LETTERS, max_size=3)


async def fill(conn: Connection, bucket: Bucket, keys: Sequence[str]) -> None:
    await conn.execute("DELETE FROM object_version")
    await conn.execute(FILL.encode(), {"bucket": bucket.id, "keys": list(keys)})


async def page_of(
    conn: Connection,
    bucket: Bucket,
    *,
    prefix: str = "",
    delimiter: str = "",
    start: str = "",
    limit: int = 1000,
) -> Page[ListedObject]:
    begin, end = max(start, prefix), prefix_end(prefix)
    if not delimiter:
        return await listings.page(conn, bucket.id, start=begin, end=end, limit=limit)
    delimiter_end = prefix_end(delimiter)
    assert delimiter_end is not None
    return await listings.rolled_up_page(
        conn,
        bucket.id,
        start=begin,
        end=end,
        limit=limit,
        prefix=prefix,
        delimiter=delimiter,
        delimiter_end=delimiter_end,
    )


def expected(
    keys: Sequence[str], prefix: str, delimiter: str, start: str, limit: int
) -> tuple[list[str], list[str], bool]:
    """Return what S3 documents: keys and common prefixes in one order, together up to the limit."""
    entries: list[tuple[str, bool]] = []
    for key in sorted(keys, key=lambda key: key.encode()):
        if not key.startswith(prefix) or key < start:
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, False) if at < 0 else (key[: at + len(delimiter)], True)
        if entry not in entries:
            entries.append(entry)
    shown = entries[:limit]
    return (
        [name for name, is_prefix in shown if not is_prefix],
        [name for name, is_prefix in shown if is_prefix],
        len(entries) > limit,
    )


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    keys=st.sets(KEYS, max_size=30),
    prefix=SHORT,
    delimiter=SHORT.filter(lambda text: text.strip("\U0010ffff") or not text),
    start=SHORT,
    limit=st.integers(1, 8),
)
async def test_a_page_is_what_a_sorted_list_says(
    conn: Connection,
    home: Bucket,
    keys: set[str],
    prefix: str,
    delimiter: str,
    start: str,
    limit: int,
) -> None:
    await fill(conn, home, sorted(keys))

    page = await page_of(conn, home, prefix=prefix, delimiter=delimiter, start=start, limit=limit)

    shown = [entry.key for entry in page.entries], list(page.common_prefixes), page.is_truncated
    assert shown == expected(sorted(keys), prefix, delimiter, start, limit)


async def test_a_listing_shows_what_was_stored(conn: Connection, home: Bucket) -> None:
    said = content(b"body")
    await object_versions.put(conn, home.id, ObjectKey("k"), said)

    page = await page_of(conn, home)
    rolled_up = await page_of(conn, home, delimiter="/")

    (entry,) = page.entries
    assert said.checksum is not None
    assert (entry.etag, entry.size, entry.storage_class) == (said.etag, 4, "STANDARD")
    assert entry.checksum_algorithm is said.checksum.algorithm
    assert entry.checksum_type is said.checksum.type
    assert rolled_up == page


async def test_a_listing_shows_no_other_bucket(conn: Connection, home: Bucket) -> None:
    elsewhere = await new_bucket(conn, "elsewhere")
    await object_versions.put(conn, elsewhere.id, ObjectKey("k"), content(b"x"))

    assert await page_of(conn, home) == Page((), (), is_truncated=False)
    assert await page_of(conn, home, delimiter="/") == Page((), (), is_truncated=False)


async def test_the_largest_key_there_can_be_is_listed(conn: Connection, home: Bucket) -> None:
    largest = "\U0010ffff" * 256
    await fill(conn, home, ["a", largest])

    assert [entry.key for entry in (await page_of(conn, home)).entries] == ["a", largest]
    rolled_up = await page_of(conn, home, delimiter="/", start="b")
    assert [entry.key for entry in rolled_up.entries] == [largest]


@pytest.fixture(scope="module")
def many() -> Sequence[str]:
    """1,000 keys before, 200,000 below one prefix, and 1,000 behind them."""
    return [
        *(f"a{n:04}" for n in range(1000)),
        *(f"deep/{n:06}" for n in range(200_000)),
        *(f"e{n:04}" for n in range(1000)),
    ]


async def explained(
    conn: Connection, query: str, values: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], int]:
    """Return the nodes of the plan as it ran, and how many pages it touched."""
    cursor = await conn.execute(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}".encode(), values, binary=False
    )
    row = await cursor.fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    root = plan[0]["Plan"]
    nodes = [root]
    for node in nodes:
        nodes.extend(node.get("Plans", []))
    return nodes, root["Shared Hit Blocks"] + root["Shared Read Blocks"]


@pytest.mark.slow
async def test_the_cost_of_a_listing_does_not_grow_with_what_it_passes_over(
    conn: Connection, home: Bucket, many: Sequence[str]
) -> None:
    await fill(conn, home, many)
    await conn.execute("VACUUM ANALYZE object_version")
    everywhere = {"bucket_id": home.id, "start": "", "end": listings.AFTER_EVERY_KEY}
    rolled_up = {"before": 0, "delimiter": "/", "delimiter_end": "0"}

    plain_nodes, plain = await explained(
        conn, listings._PLAIN, everywhere | {"start": "deep/150000", "limit": 101}
    )
    over_nodes, over = await explained(
        conn, listings._ROLLED_UP, everywhere | rolled_up | {"start": "a0900", "limit": 201}
    )
    beside_nodes, beside = await explained(
        conn, listings._ROLLED_UP, everywhere | rolled_up | {"start": "a0700", "limit": 201}
    )

    scans = {
        node["Node Type"]
        for node in (*plain_nodes, *over_nodes, *beside_nodes)
        if node.get("Relation Name") == "object_version"
    }
    assert scans == {"Index Only Scan"}
    assert plain < 20
    # 201 entries with the prefix of 200,000 keys among them, and 201 entries of a key each.
    assert over <= beside * 1.1


@pytest.mark.slow
async def test_a_plan_made_while_the_bucket_was_empty_still_leaps_when_it_is_full(
    conn: Connection, home: Bucket, many: Sequence[str]
) -> None:
    """A prepared statement keeps its plan; autovacuum may come much later."""
    for _ in range(10):
        await page_of(conn, home)
        await page_of(conn, home, delimiter="/")
    await fill(conn, home, many)

    before = await _pages_touched(conn)
    plain = await page_of(conn, home, start="deep/150000", limit=100)
    rolled_up = await page_of(conn, home, delimiter="/", start="a0900", limit=200)
    touched = await _pages_touched(conn) - before

    assert len(plain.entries) == 100
    assert rolled_up.common_prefixes == ("deep/",)
    # Two or three levels of the index and a page of the table for each entry; a walk through the
    # prefix would touch thousands.
    assert touched < 300 * 6


async def _pages_touched(conn: Connection) -> int:
    await conn.execute("SELECT pg_stat_force_next_flush()")
    await conn.execute("SELECT 1")
    row = await (
        await conn.execute(
            "SELECT (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint"
            "  FROM pg_statio_user_tables WHERE relname = 'object_version'"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
