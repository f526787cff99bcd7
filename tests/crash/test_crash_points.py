"""A worker is killed at every call that a write makes, one after the other, for each kind of write.

What was answered is there afterwards, what was not is there whole or not at all, and no file of a
dead writer stays. The kernel, PostgreSQL and the other processes live on: a power cut is another
test's subject.
"""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import fix_totals
from tests.crash.injected import FILE_CALLS, LOOP, SOCKET_CALLS, Node
from tests.crash.judgement import defects_of, left_after_a_sweep
from tests.crash.kinds import KINDS, Arrange
from tests.fix_totals import FULL, Count
from tests.invariants import broken

pytestmark = [pytest.mark.crash, pytest.mark.slow]

# The short form: where the kind with the most steps changes what others see. Every call of every
# kind has its turn in the long run.
SHORT = ("PutObject, a blob",)
SHORT_CALLS = frozenset({"openat", "flock", "fallocate", "write", "fsync", "rename", "sendto"})
CALLS = FILE_CALLS | SOCKET_CALLS if FULL else SHORT_CALLS
# Far more calls of one kind than a write makes: a test that gets here does not end.
TOO_MANY = 60


@pytest.fixture(scope="module")
async def node(strace: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with Node.opened(tmp_path_factory.mktemp("points"), strace) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS if FULL else SHORT)
async def test_a_worker_that_dies_at_any_call_of_a_write_loses_and_tears_nothing(
    node: Node, kind: str, count: Count
) -> None:
    arrange = KINDS[kind]
    await node.ready()
    made = await node.calls_of(await arrange(node.s3, node.new_name()))
    to_die_at = [
        (role, call)
        for role, call in sorted(made)
        if call in CALLS & (SOCKET_CALLS if role == LOOP else FILE_CALLS)
    ]
    assert to_die_at, made

    points = 0
    for role, call in to_die_at:
        points += await killed_at_each(node, arrange, role, call)
    assert points > 0
    count(fix_totals.POINTS, points, kind)

    assert await left_after_a_sweep(node.server) == []
    assert broken(node.server.metadata_url, node.blobs) == []
    assert defects_of(node.server) == []


async def killed_at_each(node: Node, arrange: Arrange, role: str, call: str) -> int:
    """Kill the worker at the first such call, at the second … Return how many there are."""
    for when in itertools.count(1):
        assert when < TOO_MANY
        worker = await node.ready()
        case = await arrange(node.s3, node.new_name())
        answer = await node.send(case, role, call, f"signal=SIGKILL:when={when}")
        # The answer does not tell: a request that a dead worker had not accepted goes to the next.
        survived = node.is_alive(worker)
        await node.ready()
        found = await case.look()
        where = f"{role}, {call} {when}: {answer}"
        if answer is None:
            assert case.allows(found), where
        else:
            assert answer.status in (200, 204), where
            assert found == case.after, where
        if survived:
            return when - 1
    raise AssertionError("not reached")
