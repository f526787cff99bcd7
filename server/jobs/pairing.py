"""Which blob directory belongs to which database.

With the database of another directory every blob would look like an orphan, and what one of the two
has released would be removed from the other. So both have the same name: a row of the database, and
a file of the directory.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Final

from server.blobs import inspection, sweep
from server.blobs.errors import BlobLayoutError
from server.blobs.files import disk_errors
from server.blobs.layout import Layout, open_layout, publish_file
from server.blobs.read_only import ReadOnlyFlag
from server.metadata import blob_directory, blobs, released
from server.metadata.connection import Connection
from server.model.names import BlobDigest

# Blobs that are looked for on either side where a directory of an earlier version has no name yet.
_SAMPLE: Final = 100
# Of those, so many must be on the other: a crash leaves few files without a row, and none the other
# way round, while copies of one database have many in common.
_MOST: Final = 0.9
# A younger file may belong to a transaction that is under way, on another node.
_OLD_SECONDS: Final = 12 * 3600.0


async def refuse_another(conn: Connection, layout: Layout) -> None:
    """Raise BlobLayoutError unless the directory is that of the database."""
    found = await asyncio.to_thread(name_of, layout)
    wanted = await blob_directory.id_of(conn)
    if found is None:
        raise BlobLayoutError(
            f"{layout.root} does not say which database it belongs to; s3d serve sees to that"
        )
    if found != wanted:
        raise BlobLayoutError(
            f"{layout.root} belongs to another database: to {found}, and this one is {wanted}. Only"
            " if this one is that one, brought back from a copy of before they had names,"
            f" {_how_to_name(layout, wanted)}"
        )


async def refuse_unfit(conn: Connection, layout: Layout) -> None:
    """Raise BlobLayoutError unless the directory is that of the database, or may become it.

    Blocking. It need not be there. One that has no name, as servers left it before there were
    names, must have what the database means, and nothing else; a database gives its name once.
    """
    if name_of(layout) is None:
        await _refuse_a_strange_one(conn, layout)
    else:
        await refuse_another(conn, layout)


async def pair(conn: Connection, layout: Layout, read_only: ReadOnlyFlag) -> None:
    """Make the blob directory where it is missing, and the directory of the database.

    Blocking. The database must have its name durably before. Raises as refuse_unfit, and makes
    nothing then.
    """
    await refuse_unfit(conn, layout)
    open_layout(layout.root, read_only)
    if name_of(layout) is None:  # a start writes nothing else: a full disk serves what it has
        await name(conn, layout, read_only, may_replace=False)
        await refuse_another(conn, layout)
    await blob_directory.give(conn)


async def name(
    conn: Connection, layout: Layout, read_only: ReadOnlyFlag, *, may_replace: bool
) -> None:
    """Write the name of the database into the directory; may_replace: whatever name it had."""
    wanted = await blob_directory.id_of(conn)
    data = f"{wanted}\n".encode("ascii")
    publish_file(layout, layout.database_file, data, read_only, may_replace=may_replace)


def name_of(layout: Layout) -> str | None:
    """Return the name of the database that the directory belongs to; None: of none yet."""
    with disk_errors(f"read {layout.database_file}"):
        try:
            return layout.database_file.read_bytes()[:100].decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None


async def _refuse_a_strange_one(conn: Connection, layout: Layout) -> None:
    wanted = await blob_directory.id_of(conn)
    if await blob_directory.is_given(conn):
        raise BlobLayoutError(
            f"{layout.root} is not the blob directory of this database, which has one: is a disk"
            f" not mounted? Only if that one is lost for good, {_how_to_name(layout, wanted)}"
        )
    meant = await released.some_in_place(conn, limit=_SAMPLE)
    there = inspection.find_files(layout, meant)
    if not _are_most(len(meant) - there.count(None), meant):
        raise BlobLayoutError(
            f"{layout.root} lacks {there.count(None)} of {len(meant)} blobs that the database"
            " names: is it the directory of another one, or a disk not mounted? If it is the right"
            f" one, {_how_to_name(layout, wanted)}"
        )
    if not layout.version_file.exists():
        return
    before = time.time() - _OLD_SECONDS
    held = list(islice(sweep.old_blobs(layout, changed_before=before), _SAMPLE))
    known = len(await blobs.known(conn, held))
    if not _are_most(known, held):
        raise BlobLayoutError(
            f"{layout.root} holds blobs of which the database knows {known} of {len(held)}: is it"
            f" the directory of another one? If it is the right one, {_how_to_name(layout, wanted)}"
        )


def _are_most(count: int, of: Sequence[BlobDigest]) -> bool:
    return count >= _MOST * len(of)


def _how_to_name(layout: Layout, wanted: str) -> str:
    return f"write {wanted} into {layout.database_file}."
