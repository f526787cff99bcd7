"""Random operations, restarts, kills and sweeps on a server with two workers, against a dict.

The same runs every time, unless S3D_TEST_LONG=true. A run that fails is printed as the steps
that lead there with their answers; the long form makes it small before.
"""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.effort import IS_LONG
from tests.fix_server import complaints_of
from tests.model.machine import Machine
from tests.model.node import VICTIMS, Node

SETTINGS = settings(
    max_examples=40 if IS_LONG else 8,
    stateful_step_count=40 if IS_LONG else 14,
    derandomize=not IS_LONG,
    database=None,
    deadline=None,
    print_blob=False,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink] if IS_LONG else [Phase.generate],
    # A step is a request or a restart: they take the time they take.
    suppress_health_check=[HealthCheck.too_slow],
)

# Of other steps each, where the first one missed something of EXPECTED: answers depend on time.
MORE_ROUNDS = 5
# A run in which one of these never happened would prove little.
EXPECTED = {
    *(f"{name} 200" for name in ("PutObject", "CopyObject", "DeleteObjects", "PutObjectTagging")),
    *(f"{name} 200" for name in ("GetObject", "GetObjectTagging", "ListBuckets", "ListObjectsV2")),
    *(f"{name} 200" for name in ("CreateMultipartUpload", "UploadPart", "UploadPartCopy")),
    *("CompleteMultipartUpload 200", "AbortMultipartUpload 204", "ListParts 200"),
    *("GetObject 206", "GetObject 304", "GetObject 412", "PutObject 412", "PutObject None"),
    *("CreateBucket 200", "DeleteBucket 204", "DeleteBucket 409", "DeleteObject 204"),
    *("sweep", "restart", *(f"kill {victim}" for victim in VICTIMS)),
}


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with asyncio.Runner() as runner:
        node = Node(tmp_path_factory.mktemp("model"))
        Machine.run, Machine.node = runner, node
        try:
            node.start()
            yield node
            node.start()
            server = node.server
        finally:
            runner.run(node.close())
        complaints = complaints_of(server)
    assert not complaints, f"{server.log} has:\n" + "\n".join(complaints)


@pytest.mark.crash
@pytest.mark.slow
def test_a_server_does_what_a_dict_does_whatever_befalls_it(node: Node) -> None:
    rounds = [SETTINGS, *[settings(SETTINGS, derandomize=False)] * MORE_ROUNDS]
    try:
        while rounds and (rounds[0] is SETTINGS or EXPECTED - Machine.done.keys()):
            run_state_machine_as_test(Machine, settings=rounds.pop(0))
    except BaseException as error:
        error.add_note(f"The first failure:\n{Machine.story}")
        raise

    assert EXPECTED - Machine.done.keys() == set()
