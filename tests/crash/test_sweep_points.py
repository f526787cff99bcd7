"""The sweep is killed at every call that it makes, and each of its calls to the disk fails.

In one pass it has to do all that a sweep does: move to trash/, unlink, bring back, adopt an
orphan, remove what is stale in staging/. What is named is there afterwards, and the next pass does
the rest.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from tests import fix_totals
from tests.crash.injected import FILE_CALLS, SOCKET_CALLS, Node
from tests.crash.judgement import defects_of, left_after_a_sweep
from tests.crash.kinds import BUCKET
from tests.crash.tracing import calls, traced
from tests.fix_server import PROJECT
from tests.fix_totals import FULL, Count
from tests.invariants import broken

pytestmark = [pytest.mark.crash, pytest.mark.slow]

ERRNOS = ("EIO", "ENOSPC", "EMFILE", "EDQUOT")
# The short form dies, and fails, where files get and lose their names.
SHORT = frozenset({"rename", "unlink"})
TOO_MANY = 100
START_SECONDS = 30
_IN_TRASH = "UPDATE blob SET trashed = now() WHERE digest = %s"


@dataclass(frozen=True)
class Swept:
    """What a pass ends with. said: the last word of the sweeper, nothing where it died."""

    said: str
    hit: str


@pytest.fixture(scope="module")
async def node(strace: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with Node.opened(tmp_path_factory.mktemp("sweep-points"), strace) as opened:
        # Orphans in the shards are looked for twice a day, and have been now.
        assert await left_after_a_sweep(opened.server) == []
        yield opened


async def test_a_sweep_that_dies_at_any_call_loses_nothing_and_is_made_good(
    node: Node, strace: Path, count: Count
) -> None:
    for call in await calls_to_hit(node, strace, FILE_CALLS | SOCKET_CALLS):
        for when in positions():
            living = await arranged(node)
            swept = await sweep(node, strace, call, f"signal=SIGKILL:when={when}")
            await assert_made_good(node, living)
            if swept.said:
                break
            count(fix_totals.POINTS, kind="the sweep")
    assert defects_of(node.server) == []


@pytest.mark.parametrize("errno", ERRNOS if FULL else ERRNOS[:1])
async def test_a_sweep_whose_disk_fails_at_any_call_loses_nothing_and_is_made_good(
    node: Node, strace: Path, errno: str, count: Count
) -> None:
    for call in await calls_to_hit(node, strace, FILE_CALLS):
        for when in positions():
            living = await arranged(node)
            swept = await sweep(node, strace, call, f"error={errno}:when={when}")
            await assert_made_good(node, living)
            if not swept.hit:
                break
            # The others are calls of the interpreter, and wake its event loop.
            if str(node.blobs) in swept.hit:
                assert swept.said in ("done", "StorageError", "DiskFull", "FsyncFailed"), swept
                count(fix_totals.ERRNOS, kind=errno)


def positions() -> Iterator[int]:
    for when in itertools.count(1):
        assert when < TOO_MANY
        yield when


async def arranged(node: Node) -> Sequence[tuple[str, bytes]]:
    """Leave something for each step of the sweep; return what lives: keys and their bodies."""
    bodies = [os.urandom(20_000) for _ in range(5)]
    released, revived, misplaced, orphan, stale = bodies
    keys = [node.new_name() for _ in range(3)]
    for key, body in zip(keys, (released, revived, misplaced), strict=True):
        assert (await node.s3.put(f"/{BUCKET}/{key}", body=body)).status == 200
    assert (await node.s3.delete(f"/{BUCKET}/{keys[0]}")).status == 204
    for body in (revived, misplaced):
        place(node, body).rename(trash(node, body))
    with psycopg.connect(node.server.metadata_url) as conn:
        conn.execute(_IN_TRASH, [sha256(revived).digest()])
    trash(node, orphan).write_bytes(orphan)
    (node.blobs / "staging" / os.urandom(16).hex()).write_bytes(stale)
    return [(keys[1], revived), (keys[2], misplaced)]


async def assert_made_good(node: Node, living: Sequence[tuple[str, bytes]]) -> None:
    for key, body in living:
        assert (await node.s3.get(f"/{BUCKET}/{key}")).body == body
    assert await left_after_a_sweep(node.server) == []
    assert broken(node.server.metadata_url, node.blobs) == []
    for _, body in living:
        assert place(node, body).exists()


async def calls_to_hit(node: Node, strace: Path, of: frozenset[str]) -> Sequence[str]:
    """Return the calls among these that a pass makes."""
    await arranged(node)
    options = ("-f", "-e", "trace=%file,%desc,%network")
    async with sweeping(node) as sweeper, traced(strace, sweeper.pid, node.trace, *options):
        assert await last_word(sweeper) == "done"
    made = {call.name for call in calls(node.trace)} & of
    return sorted(made if FULL else made & SHORT)


async def sweep(node: Node, strace: Path, call: str, injection: str) -> Swept:
    options = ("-f", "-e", f"trace={call}", "-e", f"inject={call}:{injection}")
    async with sweeping(node) as sweeper, traced(strace, sweeper.pid, node.trace, *options):
        said = await last_word(sweeper)
    return Swept(said, node.hit() or "")


@asynccontextmanager
async def sweeping(node: Node) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yield a sweeper that is ready."""
    sweeper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.sweeper", node.server.metadata_url, str(node.blobs)),
        cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert sweeper.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            assert await sweeper.stdout.readline() == b"ready\n"
        yield sweeper
    finally:
        if sweeper.returncode is None:
            sweeper.kill()
        await sweeper.wait()


async def last_word(sweeper: asyncio.subprocess.Process) -> str:
    """Let it sweep; return what it says in the end."""
    async with asyncio.timeout(START_SECONDS):
        said, _ = await sweeper.communicate(b"sweep\n")
    return said.decode().strip()


def place(node: Node, body: bytes) -> Path:
    name = sha256(body).hexdigest()
    return node.blobs / name[:2] / name


def trash(node: Node, body: bytes) -> Path:
    return node.blobs / "trash" / sha256(body).hexdigest()
