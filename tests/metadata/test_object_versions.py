import asyncio
from dataclasses import replace

import pytest

from server.metadata import object_versions, settings_revision
from server.metadata.connection import Connection
from server.metadata.errors import MetadataUnavailable
from server.metadata.object_versions import Delete, Find, Put
from server.metadata.store import Metadata
from server.model.blob import BlobBody, InlineBody, ManifestBody, Slice
from server.model.bucket import Bucket
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.names import ObjectKey
from tests.metadata.rows import (
    Decision,
    blob,
    complete,
    content,
    count,
    new_upload,
    put_blob,
    put_part,
)

KEY = ObjectKey("a/ключ")


async def test_put_and_current_give_back_all_that_was_said(
    metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    said = replace(content(b"body"), tags={"colour": "grün"})

    await metadata.put(home.id, KEY, said, allowed)

    found = await metadata.current(home.id, KEY, allowed)
    assert found is not None
    assert (found.key, found.version_id, found.content) == (KEY, "null", said)
    assert found.last_modified.microsecond == 0
    assert found.last_modified.tzinfo is not None


async def test_an_empty_body_is_a_body(metadata: Metadata, home: Bucket, allowed: Decision) -> None:
    await metadata.put(home.id, KEY, content(b""), allowed)

    found = await metadata.current(home.id, KEY, allowed)

    assert found is not None
    assert found.content.body == InlineBody(b"")


async def test_a_body_of_a_blob_brings_its_crcs(
    conn: Connection, metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    stored = blob("big", size=3_000_000)
    await put_blob(conn, home, KEY, stored)

    found = await metadata.current(home.id, KEY, allowed)

    assert found is not None
    assert found.content.body == BlobBody(stored)


async def test_without_a_checksum_there_is_none(
    metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    await metadata.put(home.id, KEY, replace(content(b"x"), checksum=None), allowed)

    found = await metadata.current(home.id, KEY, allowed)

    assert found is not None
    assert found.content.checksum is None


async def test_a_key_that_holds_nothing_has_no_current_version(
    metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    assert await metadata.current(home.id, KEY, allowed) is None


async def test_who_wants_no_body_gets_all_but_the_body(
    metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    await metadata.put(home.id, KEY, content(b"body"), allowed)

    found = await metadata.current(home.id, KEY, allowed, with_body=False)

    assert found is not None
    assert found.content == replace(content(b"body"), body=InlineBody(b""))


async def test_questions_of_a_batch_are_answered_each_with_its_own(
    conn: Connection, home: Bucket
) -> None:
    for number in range(5):
        await object_versions.put(conn, home.id, ObjectKey(f"k{number}"), content(b"%d" % number))
    asked = [Find(home.id, ObjectKey(f"k{n}"), n % 2 == 0) for n in (4, 9, 0, 1, 4)]

    found = await object_versions.find(conn, asked)

    bodies = [each.version and each.version.content.body for each in found]
    assert bodies == [
        InlineBody(b"4"),
        None,
        InlineBody(b"0"),
        InlineBody(b""),
        InlineBody(b"4"),
    ]
    assert {each.revision for each in found} == {await settings_revision.read(conn)}


async def test_put_replaces_every_column(
    conn: Connection, metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    await put_blob(conn, home, KEY, blob("first"))
    second = replace(
        content(b"second"),
        storage_class="GLACIER",
        headers={"Cache-Control": "no-cache"},
        user_metadata={},
        tags={"a": "b"},
        checksum=Checksum(ChecksumAlgorithm.SHA1, ChecksumType.FULL_OBJECT, "c2hhMQ=="),
    )

    await metadata.put(home.id, KEY, second, allowed)

    found = await metadata.current(home.id, KEY, allowed)
    assert found is not None
    assert found.content == second
    assert await count(conn, "object_version") == 1


async def test_of_writes_to_one_key_in_a_batch_the_last_holds(
    conn: Connection, home: Bucket
) -> None:
    revision = await settings_revision.read(conn)
    asked = [Put(home.id, KEY, content(body), None, revision) for body in (b"1", b"2", b"3")]

    assert await object_versions.put_all(conn, asked) == [True, True, True]

    (found,) = await object_versions.find(conn, [Find(home.id, KEY, with_body=True)])
    assert found.version is not None
    assert found.version.content.body == InlineBody(b"3")


@pytest.mark.parametrize("has_blob", [False, True])
async def test_a_write_decided_under_an_older_revision_is_not_made(
    conn: Connection, home: Bucket, has_blob: bool
) -> None:
    published: list[str] = []

    async def publish() -> None:
        published.append("blob")

    revision = await settings_revision.read(conn)
    await settings_revision.bump(conn)
    body = BlobBody(blob("x")) if has_blob else InlineBody(b"x")
    said = replace(content(b"x"), body=body)

    asked = [Put(home.id, KEY, said, publish if has_blob else None, revision)]
    assert await object_versions.put_all(conn, asked) == [False]

    assert await count(conn, "object_version") == 0
    assert published == []


async def test_only_the_writes_of_the_newest_revision_of_a_batch_are_made(
    conn: Connection, home: Bucket
) -> None:
    old = await settings_revision.read(conn)
    new = await settings_revision.bump(conn)
    asked = [
        Put(home.id, ObjectKey("old"), content(b"x"), None, old),
        Put(home.id, ObjectKey("new"), content(b"x"), None, new),
    ]

    assert await object_versions.put_all(conn, asked) == [False, True]

    assert await count(conn, "object_version") == 1


async def test_a_decision_that_is_out_of_date_is_made_again(
    conn: Connection, metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    await settings_revision.bump(conn)
    await metadata.put(home.id, KEY, content(b"x"), allowed)
    await settings_revision.bump(conn)
    found = await metadata.current(home.id, KEY, allowed)
    await settings_revision.bump(conn)
    await metadata.delete(home.id, KEY, allowed)

    assert found is not None
    assert allowed.renewed == 3
    assert await count(conn, "object_version") == 0


async def test_delete_all_deletes_what_is_there_and_nothing_else(
    conn: Connection, home: Bucket
) -> None:
    revision = await settings_revision.read(conn)
    for name in ("a", "b", "c"):
        await object_versions.put(conn, home.id, ObjectKey(name), content(b"x"))
    asked = [Delete(home.id, ObjectKey(name), revision) for name in ("c", "a", "a", "nothing")]

    assert await object_versions.delete_all(conn, asked) == [True] * 4

    found = await object_versions.find(
        conn, [Find(home.id, ObjectKey(name), with_body=False) for name in ("a", "b", "c")]
    )
    assert [each.version is not None for each in found] == [False, True, False]


async def test_a_delete_decided_under_an_older_revision_is_not_made(
    conn: Connection, home: Bucket
) -> None:
    revision = await settings_revision.read(conn)
    await object_versions.put(conn, home.id, KEY, content(b"x"))
    await settings_revision.bump(conn)

    assert await object_versions.delete_all(conn, [Delete(home.id, KEY, revision)]) == [False]

    assert await count(conn, "object_version") == 1


async def test_overwriting_and_deleting_release_what_was_named(
    conn: Connection, home: Bucket
) -> None:
    first, second = blob("first"), blob("second")
    upload = await new_upload(conn, home, "multipart")
    await put_part(conn, upload, 1, [Slice(blob("part"), 0, 5)])
    await complete(conn, home, upload, 5)
    await put_blob(conn, home, KEY, first)
    await put_blob(conn, home, KEY, second)
    await object_versions.delete_current(conn, home.id, KEY)
    await object_versions.put(conn, home.id, ObjectKey("multipart"), content(b"inline"))

    cursor = await conn.execute("SELECT digest FROM released_blob ORDER BY released")
    released = [row[0] for row in await cursor.fetchall()]
    assert released == [first.digest, second.digest]
    assert await count(conn, "released_manifest") == 1


async def test_writing_the_same_bytes_again_releases_nothing(
    conn: Connection, home: Bucket
) -> None:
    await put_blob(conn, home, KEY, blob("same"))
    await put_blob(conn, home, KEY, blob("same"))

    assert await count(conn, "released_blob") == 0


async def test_a_manifest_and_its_parts_come_back(conn: Connection, home: Bucket) -> None:
    upload = await new_upload(conn, home, KEY)
    await put_part(conn, upload, 1, [Slice(blob("part"), 0, 5)])
    await complete(conn, home, upload, 5)

    (found,) = await object_versions.find(conn, [Find(home.id, KEY, with_body=True)])

    assert found.version is not None
    assert found.version.content.body == ManifestBody(upload.manifest_id, 1)


async def test_a_question_that_postgres_refuses_spoils_no_other(
    metadata: Metadata, home: Bucket, allowed: Decision
) -> None:
    """Text cannot hold U+0000. No key that was parsed does, but a batch must survive any."""
    outcomes = await asyncio.gather(
        *(
            metadata.put(home.id, ObjectKey(key), content(b"x"), allowed)
            for key in ("first", "a\0b", "second", "third")
        ),
        return_exceptions=True,
    )

    assert [outcome is None for outcome in outcomes] == [True, False, True, True]
    assert not isinstance(outcomes[1], MetadataUnavailable)


@pytest.mark.slow
async def test_find_probes_indexes_also_where_the_plan_was_made_while_the_table_was_empty(
    conn: Connection, home: Bucket
) -> None:
    for _ in range(10):
        await object_versions.find(conn, [Find(home.id, KEY, with_body=True)])
    await conn.execute(
        "INSERT INTO object_version (bucket_id, key, size, etag, storage_class, headers,"
        " user_metadata, body) SELECT %s, 'k' || n, 1, 'e', 'STANDARD', '{}', '{}', ''"
        "   FROM generate_series(1, 50000) AS n",
        [home.id],
    )
    asked = [Find(home.id, ObjectKey(f"k{n}"), with_body=True) for n in range(1, 65)]

    before = await _pages_touched(conn)
    await object_versions.find(conn, asked)

    assert await _pages_touched(conn) - before < 64 * 12


async def _pages_touched(conn: Connection) -> int:
    await conn.execute("SELECT pg_stat_force_next_flush()")
    await conn.execute("SELECT 1")
    row = await (
        await conn.execute(
            "SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint"
            "  FROM pg_statio_user_tables WHERE relname IN ('object_version', 'blob')"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
