import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.blobs.layout import open_layout
from server.blobs.read_only import ReadOnlyFlag
from server.blobs.store import BlobStore
from tests.blobs.bodies import INLINE_LIMIT, OpenStore
from tests.blobs.disk import Disk, install


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of the store."""
    return tmp_path / "blobs"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty blob directory: to copy one takes less fsyncs than to make one."""
    return open_layout(tmp_path_factory.mktemp("template") / "blobs", ReadOnlyFlag()).root


@pytest.fixture
def read_only() -> ReadOnlyFlag:
    return ReadOnlyFlag()


@pytest.fixture
def open_store(root: Path, template: Path) -> Iterator[OpenStore]:
    """Opens the directory as a node that was started just now."""
    shutil.copytree(template, root)
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
def store(root: Path, template: Path, read_only: ReadOnlyFlag) -> Iterator[BlobStore]:
    """A store whose read-only flag is the fixture read_only."""
    shutil.copytree(template, root)
    opened = BlobStore.open(
        root, inline_limit=INLINE_LIMIT, threads=2, read_only=read_only, reserve_bytes=0
    )
    yield opened
    opened.close()


@pytest.fixture
def disk(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk under the store, from after it was opened."""
    return install(monkeypatch)
