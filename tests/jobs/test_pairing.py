"""A blob directory and the database that it belongs to."""

from pathlib import Path

import pytest

from server.blobs.errors import BlobLayoutError
from server.blobs.layout import Layout
from server.blobs.read_only import ReadOnlyFlag
from server.jobs import pairing
from server.jobs.sweep import Sweep
from server.metadata.connection import Connection
from tests.blobs.bodies import random_bytes
from tests.blobs.disk import install
from tests.jobs.node import Node
from tests.jobs.scrubbing import scrub_of

BODIES = [random_bytes(3000 + number) for number in range(20)]


@pytest.fixture
async def unnamed(node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose directory has no name, as servers left it before there were names."""
    node.blobs.layout.database_file.unlink()
    await conn.execute("UPDATE blob_directory SET is_given = false")
    monkeypatch.setattr(pairing, "_OLD_SECONDS", -60.0)  # nobody can set a ctime back
    return node


async def pair(conn: Connection, layout: Layout) -> None:
    await pairing.pair(conn, layout, ReadOnlyFlag())


async def refusal(conn: Connection, layout: Layout) -> str:
    """Return why the directory is refused, which is left without a name."""
    with pytest.raises(BlobLayoutError) as refused:
        await pair(conn, layout)
    assert pairing.name_of(layout) is None
    return str(refused.value)


async def test_a_directory_without_a_name_gets_it_where_it_has_what_the_database_names(
    unnamed: Node, conn: Connection
) -> None:
    for number, body in enumerate(BODIES[1:]):
        await unnamed.put(f"k{number}", body)
    await unnamed.publish(BODIES[0])  # as a crash does

    await pair(conn, unnamed.blobs.layout)

    await pairing.refuse_another(conn, unnamed.blobs.layout)


async def test_an_empty_directory_gets_the_name_of_any_database(
    unnamed: Node, conn: Connection
) -> None:
    await pair(conn, unnamed.blobs.layout)

    await pairing.refuse_another(conn, unnamed.blobs.layout)


async def test_a_directory_that_lacks_what_the_database_names_gets_no_name(
    unnamed: Node, conn: Connection
) -> None:
    for number, body in enumerate(BODIES):
        await unnamed.put(f"k{number}", body)
    for body in BODIES[1:]:
        unnamed.at_its_place(body).unlink()

    said = await refusal(conn, unnamed.blobs.layout)

    assert "lacks 19 of 20 blobs that the database names" in said


async def test_a_directory_that_holds_what_the_database_does_not_know_gets_no_name(
    unnamed: Node, conn: Connection
) -> None:
    """A copy of the database, an older one say, has some in common with it."""
    await unnamed.put("k", BODIES[0])
    for body in BODIES[1:]:
        await unnamed.publish(body)

    said = await refusal(conn, unnamed.blobs.layout)

    assert "the database knows 1 of 20" in said


async def test_a_database_gives_its_name_once(node: Node, conn: Connection, tmp_path: Path) -> None:
    """The disk of the directory is not mounted, or a second node has another one."""
    said = await refusal(conn, Layout(tmp_path / "another"))

    assert "is a disk not mounted?" in said
    assert not (tmp_path / "another").exists()


async def test_what_a_refusal_says_how_to_do_can_be_done(
    node: Node, conn: Connection, tmp_path: Path
) -> None:
    another = Layout(tmp_path / "another")
    do_as_told(await refusal(conn, another))

    await pair(conn, another)

    assert another.version_file.exists()


def do_as_told(refusal: str) -> None:
    """Write what it says into the file that it names."""
    words = refusal.split()
    file = Path(words[-1].rstrip("."))
    file.parent.mkdir()
    file.write_text(f"{words[words.index('write') + 1]}\n")


async def test_a_directory_that_has_its_name_is_left_as_it_is(
    node: Node, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server starts on a full disk, too, and serves what is there."""
    disk = install(monkeypatch)

    await pair(conn, node.blobs.layout)

    # Of directories that are there.
    assert set(disk.steps) == {"mkdir"}


async def test_a_name_stays(node: Node, conn: Connection) -> None:
    await conn.execute("UPDATE blob_directory SET id = gen_random_uuid()")

    with pytest.raises(BlobLayoutError, match="belongs to another database"):
        await pair(conn, node.blobs.layout)


async def test_of_two_databases_that_name_a_directory_at_once_one_has_it(
    unnamed: Node, conn: Connection
) -> None:
    layout = unnamed.blobs.layout
    await pairing.name(conn, layout, ReadOnlyFlag(), may_replace=False)
    first = pairing.name_of(layout)
    await conn.execute("UPDATE blob_directory SET id = gen_random_uuid()")

    await pairing.name(conn, layout, ReadOnlyFlag(), may_replace=False)

    assert pairing.name_of(layout) == first
    assert not list(layout.staging.iterdir())


async def test_no_job_touches_the_directory_of_another_database(
    node: Node, conn: Connection
) -> None:
    await node.put("k", BODIES[0])
    await node.delete("k")
    await conn.execute("UPDATE blob_directory SET id = gen_random_uuid()")

    with pytest.raises(BlobLayoutError, match="belongs to another database"):
        await Sweep(node.metadata, node.blobs, grace_seconds=0).run(orphans_older_than=-60)
    with pytest.raises(BlobLayoutError, match="belongs to another database"):
        await scrub_of(node).run()

    assert node.at_its_place(BODIES[0]).exists()
