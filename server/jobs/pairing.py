"""Which blob directory belongs to which database.

With the database of another directory every blob would look like an orphan, and what one of the two
has released would be removed from the other. So both have the same name: a row of the database, and
a file of the directory.
"""

import asyncio
from typing import Final

from server.blobs import inspection, sweep
from server.blobs.errors import BlobLayoutError
from server.blobs.files import disk_errors
from server.blobs.layout import Layout, publish_file
from server.blobs.read_only import ReadOnlyFlag
from server.metadata import blob_directory, released
from server.metadata.connection import Connection

# Blobs that are looked for in a directory of an earlier version, which has no name yet.
_SAMPLE: Final = 100
_ANY_TIME: Final = float("inf")


async def refuse_another(conn: Connection, layout: Layout) -> None:
    """Raise BlobLayoutError unless the directory is that of the database."""
    found = await asyncio.to_thread(_name_of, layout)
    if found is None:
        raise BlobLayoutError(
            f"{layout.root} does not say which database it belongs to; s3d serve sees to that"
        )
    if found != await blob_directory.id_of(conn):
        raise BlobLayoutError(f"{layout.root} belongs to another database")


async def pair(conn: Connection, layout: Layout, read_only: ReadOnlyFlag) -> None:
    """Give the directory the name of the database; raise BlobLayoutError where it has another.

    One that holds blobs and has no name, as servers left it before there were names, must have some
    that the database means.
    """
    if not is_named(layout):
        await _refuse_strange_blobs(conn, layout)
        await name(conn, layout, read_only)
    await refuse_another(conn, layout)


async def name(conn: Connection, layout: Layout, read_only: ReadOnlyFlag) -> None:
    """Give the directory the name of the database, whatever it had."""
    wanted = await blob_directory.id_of(conn)
    publish_file(layout, layout.database_file, f"{wanted}\n".encode("ascii"), read_only)


def is_named(layout: Layout) -> bool:
    """Return whether the directory belongs to a database already."""
    return _name_of(layout) is not None


def _name_of(layout: Layout) -> str | None:
    with disk_errors(f"read {layout.database_file}"):
        if not layout.database_file.exists():
            return None
        return layout.database_file.read_bytes()[:100].decode("ascii", "replace").strip()


async def _refuse_strange_blobs(conn: Connection, layout: Layout) -> None:
    meant = await released.some_in_place(conn, limit=_SAMPLE)
    if meant:
        is_strange = not inspection.has_any(layout, meant)
    else:
        is_strange = any(True for _ in sweep.old_blobs(layout, changed_before=_ANY_TIME))
    if is_strange:
        raise BlobLayoutError(
            f"{layout.root} holds blobs, and none that the database names: is it the directory of"
            f" another one? If it is not, write {await blob_directory.id_of(conn)} into"
            f" {layout.database_file}"
        )
