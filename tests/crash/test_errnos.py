"""Every call to a disk that a write makes fails, and every look for an answer of PostgreSQL.

One after the other, with each errno. The client gets an S3 error, finds what was before or what it
asked for, and nothing stays staged. After an fsync that failed the node writes no more until it is
restarted (D6).
"""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import fix_totals
from tests.crash.injected import FILE_CALLS, LOOP, Node
from tests.crash.judgement import defects_of, left_after_a_sweep
from tests.crash.kinds import BUCKET, KINDS, Arrange, Case
from tests.fix_totals import FULL, Count
from tests.invariants import broken
from tests.wire import Answer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

ERRNOS = ("EIO", "ENOSPC", "EMFILE", "EDQUOT")
CASES = (
    [(kind, errno) for kind in KINDS for errno in ERRNOS]
    if FULL
    else [("PutObject, a blob", "EIO")]
)
# HTTP is read with read(2). Where send(2) fails, libpq keeps that to itself and waits for the last
# word of PostgreSQL: it is a silent one then, which tests/metadata/test_outage.py has.
FROM_POSTGRES = "recvfrom"
POSTGRES_CASES = (
    [(kind, errno) for kind in KINDS for errno in ("ECONNRESET", "ETIMEDOUT")]
    if FULL
    else [("DeleteObjects", "ECONNRESET")]
)
TOO_MANY = 60
FSYNC = ("fsync", "fdatasync")


@pytest.fixture(scope="module")
async def node(strace: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with Node.opened(tmp_path_factory.mktemp("errnos"), strace) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "errno"), CASES)
async def test_a_write_whose_disk_fails_at_any_call_is_refused_and_leaves_nothing(
    node: Node, kind: str, errno: str, count: Count
) -> None:
    arrange = KINDS[kind]
    await node.ready()
    made = await node.calls_of(await arrange(node.s3, node.new_name()))
    to_fail = [(role, call) for role, call in sorted(made) if role != LOOP and call in FILE_CALLS]

    failed = 0
    for role, call in to_fail:
        failed += await failed_at_each(node, arrange, role, call, errno)
    # A write of rows alone leaves the disk to PostgreSQL.
    assert failed > 0 or not to_fail
    count(fix_totals.ERRNOS, failed, errno)

    assert await left_after_a_sweep(node.server) == []
    assert broken(node.server.metadata_url, node.blobs) == []
    assert defects_of(node.server) == []


@pytest.mark.parametrize(("kind", "errno"), POSTGRES_CASES)
async def test_a_write_whose_database_is_gone_at_any_answer_is_refused_and_leaves_nothing(
    node: Node, kind: str, errno: str, count: Count
) -> None:
    for when in itertools.count(1):
        assert when < TOO_MANY
        await node.ready()
        case = await KINDS[kind](node.s3, node.new_name())
        answer = await node.send(case, LOOP, FROM_POSTGRES, f"error={errno}:when={when}")
        hit = node.hit()
        if hit is None:
            break
        await judge(node, case, answer, hit)
    assert when > 1
    count(fix_totals.ERRNOS, when - 1, f"{errno}, PostgreSQL")

    assert await left_after_a_sweep(node.server) == []
    assert broken(node.server.metadata_url, node.blobs) == []
    assert defects_of(node.server) == []


async def failed_at_each(node: Node, arrange: Arrange, role: str, call: str, errno: str) -> int:
    """Let the first such call fail, then the second … Return how many of them were of files."""
    of_files = 0
    for when in itertools.count(1):
        assert when < TOO_MANY
        await node.ready()
        case = await arrange(node.s3, node.new_name())
        answer = await node.send(case, role, call, f"error={errno}:when={when}")
        hit = node.hit()
        if hit is None:
            break
        # The others wake the event loop: no disk has a part in it.
        if str(node.blobs) in hit:
            of_files += 1
            await judge(node, case, answer, hit)
    return of_files


async def judge(node: Node, case: Case, answer: Answer | None, hit: str) -> None:
    found = await case.look()
    assert answer is not None, hit
    if answer.status in (200, 204):
        assert found == case.after, hit
    else:
        assert answer.status in (500, 503), (hit, answer)
        assert answer.error_code is not None, (hit, answer)
        assert case.allows(found), hit
    assert await node.staged() == [], hit
    if hit.startswith(FSYNC):
        assert answer.status in (500, 503), (hit, answer)
        await assert_read_only(node)
        node.restart()


async def assert_read_only(node: Node) -> None:
    refused = await node.s3.put(f"/{BUCKET}/{node.new_name()}", body=b"small")
    assert refused.refusal == (503, "ServiceUnavailable")
    assert (await node.s3.get(f"/{BUCKET}")).status == 200
