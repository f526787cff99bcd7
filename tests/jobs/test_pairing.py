"""A blob directory and the database that it belongs to."""

import psycopg
import pytest

from server.blobs.errors import BlobLayoutError
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from server.jobs import pairing
from server.jobs.sweep import Sweep
from server.metadata.connection import Connection
from tests.blobs.bodies import random_bytes
from tests.jobs.node import Node

ONE, TWO = random_bytes(3001), random_bytes(3002)


@pytest.fixture
def unnamed(node: Node) -> Node:
    """A node whose directory has no name, as servers left it before there were names."""
    node.blobs.layout.database_file.unlink()
    return node


async def test_a_directory_without_a_name_gets_it_where_it_has_what_the_database_names(
    unnamed: Node, conn: Connection
) -> None:
    await unnamed.put("k", ONE)
    await unnamed.publish(TWO)  # as a crash does
    layout = unnamed.blobs.layout

    await pairing.pair(conn, layout, ReadOnlyFlag())

    assert pairing.is_named(layout)
    await pairing.refuse_another(conn, layout)


async def test_an_empty_directory_gets_the_name_of_any_database(
    unnamed: Node, conn: Connection
) -> None:
    await pairing.pair(conn, unnamed.blobs.layout, ReadOnlyFlag())

    await pairing.refuse_another(conn, unnamed.blobs.layout)


@pytest.mark.parametrize("is_named_elsewhere", [True, False])
async def test_a_directory_that_has_nothing_of_what_the_database_names_gets_no_name(
    unnamed: Node, conn: Connection, is_named_elsewhere: bool
) -> None:
    await unnamed.publish(ONE)
    if is_named_elsewhere:
        await unnamed.put("k", TWO)
        unnamed.at_its_place(TWO).unlink()
    layout = unnamed.blobs.layout

    with pytest.raises(BlobLayoutError, match="is it the directory of another one"):
        await pairing.pair(conn, layout, ReadOnlyFlag())

    assert not pairing.is_named(layout)
    with pytest.raises(BlobLayoutError, match="does not say which database"):
        await pairing.refuse_another(conn, layout)


async def test_a_name_stays(node: Node, conn: Connection) -> None:
    await conn.execute("UPDATE blob_directory SET id = gen_random_uuid()")

    with pytest.raises(BlobLayoutError, match="belongs to another database"):
        await pairing.pair(conn, node.blobs.layout, ReadOnlyFlag())


async def test_the_sweep_touches_nothing_in_the_directory_of_another_database(
    node: Node, store: BlobStore
) -> None:
    await node.put("k", ONE)
    await node.delete("k")
    with psycopg.connect(node.url, autocommit=True) as conn:
        conn.execute("UPDATE blob_directory SET id = gen_random_uuid()")

    with pytest.raises(BlobLayoutError, match="belongs to another database"):
        await Sweep(node.metadata, store, grace_seconds=0).run(orphans_older_than=-60)

    assert node.at_its_place(ONE).exists()
