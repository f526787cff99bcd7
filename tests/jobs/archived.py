"""Backups of a node, and what they bring back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from server.blobs.archive import Archive
from server.jobs.backup import Backup, Done
from server.jobs.blob_copies import Findings
from server.jobs.restore import Restore, Source
from server.metadata.lost import Lost
from tests.blobs.archives import AT_ONCE
from tests.blobs.bodies import digest_of
from tests.jobs.node import Node

SECONDS = 20
_BODIES = """
    SELECT key, coalesce(body, '\\x'), encode(digest, 'hex') FROM object_version ORDER BY key
"""


@contextmanager
def no_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _: None


async def back_up(
    node: Node,
    root: Path,
    *,
    read_data: bool = False,
    wait_seconds: float = SECONDS,
    credentials: Path = Path("/nonexistent"),
    meanwhile: Callable[[], None] = lambda: None,
) -> Done:
    """Make a snapshot of the node. meanwhile: called when the rows are copied, before the blobs."""

    @contextmanager
    def show(what: str, total: int) -> Iterator[Callable[[int], None]]:
        meanwhile()
        yield lambda _: None

    with Archive.to_write(root, AT_ONCE) as archive:
        work = Backup(
            database_url=node.url,
            blobs=node.blobs.layout,
            credentials=credentials,
            archive=archive,
            read_data=read_data,
            wait_seconds=wait_seconds,
            timeout_seconds=SECONDS,
            on_wait=lambda: None,
            show=show,
        )
        return await work.run()


async def restore(
    root: Path,
    url: str,
    blobs: Path,
    name: str | None = None,
    *,
    without_unusable: bool = False,
    lost: Callable[[Lost], None] = lambda _: None,
) -> Findings:
    """Bring a snapshot back into a database and a blob directory."""
    with Archive.to_read(root, AT_ONCE) as archive:
        work = Restore(
            source=Source.of(archive, name, without_unusable=without_unusable),
            database_url=url,
            blobs=blobs,
            without_unusable=without_unusable,
            lost=lost,
            timeout_seconds=SECONDS,
            show=no_progress,
        )
        return await work.run()


def finished(root: Path) -> list[str]:
    """Return the names of the snapshots that could be restored."""
    return Archive.to_list(root).finished()


def archived(root: Path, data: bytes) -> Path:
    """Return the copy of a blob."""
    name = digest_of(data).hex()
    return root / "blobs" / name[:2] / name


def rot(path: Path) -> None:
    """Change a byte of the file, and not its size."""
    path.write_bytes(b"x" + path.read_bytes()[1:])


def contents(url: str, blobs: Path) -> dict[str, bytes]:
    """Return what each key holds, read without the server."""
    with psycopg.connect(url) as conn:
        rows = conn.execute(_BODIES).fetchall()
    return {
        key: (blobs / name[:2] / name).read_bytes() if name else body for key, body, name in rows
    }
