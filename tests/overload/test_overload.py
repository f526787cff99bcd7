"""Far more clients than the server can carry: every answer is right, or says to slow down.

How much of the peak is left then, and how long a refusal takes, tells bench/overload.py.
"""

import asyncio
import itertools
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.fix_s3 import client_of
from tests.fix_server import complaints_of, own_database, running_server
from tests.invariants import broken
from tests.overload.load import Load, run

pytestmark = pytest.mark.slow

CLIENTS = 800
SECONDS = 5
KEYS = 200
INLINE, BLOB = os.urandom(4096), os.urandom(50_000)


def is_a_refusal(status: int, head: bytes, body: bytes) -> bool:
    document = ElementTree.fromstring(body)
    codes = ("SlowDown", "ServiceUnavailable")
    return (
        document.tag == "Error"
        and document.findtext("Code") in codes
        and bool(document.findtext("Message"))
        and f"x-amz-request-id: {document.findtext('RequestId')}".encode() in head
        and b"Retry-After: 1" in head
    )


async def test_far_too_many_clients_get_right_answers_or_valid_refusals(tmp_path: Path) -> None:
    """One request at a time is all that a worker of this server works on."""
    one_at_a_time = {"S3D_MAX_INFLIGHT_REQUESTS": "1", "S3D_MAX_CONNECTIONS": str(CLIENTS // 3)}
    with (
        own_database() as url,
        running_server(tmp_path, database_url=url, environment=one_at_a_time) as running,
    ):
        s3 = client_of(running).signing("query", "unsigned")
        assert (await s3.put("/bucket")).status == 200
        assert (await s3.put("/bucket/inline", body=INLINE)).status == 200
        assert (await s3.put("/bucket/blob", body=BLOB)).status == 200
        requests = [
            message
            for number in range(KEYS)
            for message in (
                s3.message("GET", "/bucket/inline"),
                s3.message("GET", "/bucket/blob"),
                s3.message("PUT", f"/bucket/new-{number}", body=INLINE),
                s3.message("PUT", f"/bucket/new-{number}", body=BLOB),
            )
        ]
        load = Load(
            running.endpoint,
            itertools.cycle(requests).__next__,
            is_right=lambda status, _, body: status == 200 and body in (INLINE, BLOB, b""),
            is_refusal=is_a_refusal,
        )

        tally = await asyncio.to_thread(run, load, CLIENTS, SECONDS)

        assert running.data is not None
        assert dict(tally.wrong) == {}
        assert tally.good
        assert tally.refused
        async with asyncio.timeout(30):  # what was under way when the clients left ends first
            while (await s3.get("/bucket/blob")).body != BLOB:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        assert broken(running.metadata_url, running.data / "blobs") == []
        assert complaints_of(running) == []
