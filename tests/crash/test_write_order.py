"""The order of one write, as the kernel saw it: the table "One PUT" of the durability rules.

write < fsync(file) < BEGIN < rename < fsync(directory) < COMMIT < its answer < 200
"""

import hashlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests import fix_totals
from tests.crash.tracing import Call, calls, traced
from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, running_server
from tests.fix_totals import Count
from tests.operations.uploads import begin
from tests.processes import workers_of
from tests.wire import Answer

pytestmark = pytest.mark.crash

TRACED = (
    "trace=openat,write,writev,fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg,recvfrom"
)


@dataclass(frozen=True)
class Traced:
    """A server with one worker, a bucket and a way to see what the worker does."""

    s3: S3Client
    bucket: str
    server: RunningServer
    strace: Path
    trace: Path

    async def calls_of(self, request: Callable[[], Awaitable[Answer]]) -> Sequence[Call]:
        """Return what the worker asked of the system for a request, which must succeed."""
        (worker,) = workers_of(self.server)
        async with traced(self.strace, worker, self.trace, "-f", "-e", TRACED):
            answer = await request()
        assert answer.status == 200, answer.body
        return calls(self.trace)


@pytest.fixture(scope="module")
async def node(strace: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    """On the embedded PostgreSQL, whose socket can be read along; another may speak TLS."""
    directory = tmp_path_factory.mktemp("traced")
    with running_server(directory, workers=1) as server:
        s3 = client_of(server)
        created = await s3.put("/traced")
        assert created.status == 200, created.body
        yield Traced(s3, "traced", server, strace, directory / "trace")


def one(found: Sequence[Call], name: str, pattern: str) -> Call:
    """Return the only call of that name whose text matches."""
    matching = [call for call in found if call.name == name and re.search(pattern, call.text)]
    assert len(matching) == 1, [call.text for call in found if call.name == name]
    return matching[0]


def steps_of_a_file(found: Sequence[Call], body: bytes) -> Sequence[Call]:
    """Return the steps of a write, in the order in which they must be."""
    digest = hashlib.sha256(body).hexdigest()
    rename = one(found, "rename", rf'staging/\w+", "[^"]*/{digest[:2]}/{digest}"')
    staged = re.search(r"staging/\w+", rename.text)
    assert staged is not None
    write = [c for c in found if c.name == "write" and f"{staged[0]}>" in c.text][-1]
    fsync_file = one(found, "fsync", f"{staged[0]}>")
    fsync_directory = one(found, "fsync", f"blobs/{digest[:2]}>")
    committed = [c for c in found if c.name == "sendto" and "COMMIT" in c.text]
    commit = next(c for c in committed if c.began > fsync_directory.began)
    socket = re.match(r"\d+<socket:\[\d+\]>", commit.text)
    assert socket is not None
    on_socket = re.escape(socket[0])
    begun = [
        c for c in found if c.name == "sendto" and re.match(rf'{on_socket}.*"Q.*BEGIN', c.text)
    ]
    answers = [
        c for c in found if c.name == "recvfrom" and re.match(rf"{on_socket}.*COMMIT", c.text)
    ]
    reply = one(found, "write", r'"HTTP/1.1 200 OK')
    return [write, fsync_file, begun[-1], rename, fsync_directory, commit, answers[-1], reply]


def assert_in_order(steps: Sequence[Call]) -> None:
    late = [(first, then) for first, then in pairwise(steps) if not first.is_before(then)]
    assert late == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="in a batch"),
        pytest.param({"If-None-Match": "*"}, id="with a condition"),
    ],
)
async def test_put_object_is_durable_before_it_is_committed_and_committed_before_it_is_answered(
    node: Traced, headers: dict[str, str], count: Count
) -> None:
    body = os.urandom(100_000)

    found = await node.calls_of(
        lambda: node.s3.put(f"/{node.bucket}/{os.urandom(4).hex()}", body=body, headers=headers)
    )

    assert_in_order(steps_of_a_file(found, body))
    count(fix_totals.ORDERS, kind="PutObject")


async def test_put_object_over_another_is_durable_before_it_is_committed(
    node: Traced, count: Count
) -> None:
    path, body = f"/{node.bucket}/replaced", os.urandom(100_000)
    assert (await node.s3.put(path, body=os.urandom(100_000))).status == 200

    found = await node.calls_of(lambda: node.s3.put(path, body=body))

    assert_in_order(steps_of_a_file(found, body))
    count(fix_totals.ORDERS, kind="PutObject over another")


async def test_put_object_of_bytes_that_are_there_goes_through_every_step_again(
    node: Traced, count: Count
) -> None:
    """The copy that is there may have rotted, or be on its way to the trash."""
    body = os.urandom(100_000)
    assert (await node.s3.put(f"/{node.bucket}/first", body=body)).status == 200

    found = await node.calls_of(lambda: node.s3.put(f"/{node.bucket}/second", body=body))

    assert_in_order(steps_of_a_file(found, body))
    count(fix_totals.ORDERS, kind="PutObject of bytes that are there")


async def test_upload_part_is_durable_before_it_is_committed_and_committed_before_it_is_answered(
    node: Traced, count: Count
) -> None:
    upload, body = await begin(node.s3, node.bucket, "parts"), os.urandom(100_000)

    found = await node.calls_of(lambda: upload.put(1, body))

    assert_in_order(steps_of_a_file(found, body))
    count(fix_totals.ORDERS, kind="UploadPart")


async def test_upload_part_copy_of_a_body_in_its_row_is_durable_before_it_is_committed(
    node: Traced, count: Count
) -> None:
    """A part is a blob however small: these bytes become a file."""
    body = os.urandom(1000)
    assert (await node.s3.put(f"/{node.bucket}/small-source", body=body)).status == 200
    upload = await begin(node.s3, node.bucket, "copied")

    found = await node.calls_of(lambda: upload.copy(1, f"{node.bucket}/small-source"))

    assert_in_order(steps_of_a_file(found, body))
    count(fix_totals.ORDERS, kind="UploadPartCopy")


async def test_a_body_kept_in_its_row_touches_no_file_and_is_committed_before_it_is_answered(
    node: Traced, count: Count
) -> None:
    found = await node.calls_of(lambda: node.s3.put(f"/{node.bucket}/small", body=b"small"))

    inserted = [c for c in found if c.name == "recvfrom" and "INSERT 0 1" in c.text]
    reply = one(found, "write", r'"HTTP/1.1 200 OK')
    assert_in_order([inserted[-1], reply])
    assert [c.text for c in found if c.name in ("rename", "fsync")] == []
    count(fix_totals.ORDERS, kind="PutObject, kept in its row")
