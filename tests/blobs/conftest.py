from collections.abc import Iterator
from pathlib import Path

import pytest

from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from tests.blobs.bodies import INLINE_LIMIT, OpenStore
from tests.blobs.disk import Disk, install


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of the store."""
    return tmp_path / "blobs"


@pytest.fixture
def read_only() -> ReadOnlyFlag:
    return ReadOnlyFlag()


@pytest.fixture
def open_store(root: Path) -> Iterator[OpenStore]:
    """Opens the directory as a node that was started just now."""
    opened: list[BlobStore] = []

    def open_() -> BlobStore:
        store = BlobStore.open(
            root, inline_limit=INLINE_LIMIT, threads=2, read_only=ReadOnlyFlag(), reserve_bytes=0
        )
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(root: Path, read_only: ReadOnlyFlag) -> Iterator[BlobStore]:
    """A store whose read-only flag is the fixture read_only."""
    opened = BlobStore.open(
        root, inline_limit=INLINE_LIMIT, threads=2, read_only=read_only, reserve_bytes=0
    )
    yield opened
    opened.close()


@pytest.fixture
def disk(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk under the store, from after it was opened."""
    return install(monkeypatch)
