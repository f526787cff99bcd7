"""Documents on their way in: bodies that are read and parsed as a whole."""

import asyncio
import tracemalloc

from server.http.body import HttpBody
from server.http.connection import Connection
from server.http.document_memory import DocumentMemory
from server.http.headers import joined_headers
from server.http.pace import LeastPace
from server.http.request import HttpRequest
from sigv4.payloads import UnsignedPayload
from tests.wire import request_bytes

DOCUMENT = bytes(range(256)) * 256


async def test_a_document_costs_what_its_bytes_cost_whatever_segments_it_comes_in() -> None:
    """A segment of two bytes is an object of forty."""
    documents: list[bytes] = []

    async def answer(http: HttpRequest) -> None:
        body = HttpBody(
            http,
            joined_headers(http.headers),
            UnsignedPayload(),
            may_stream=False,
            has_checksum=True,
            pace=LeastPace(60, 0),
            memory=DocumentMemory(1 << 20),
        )
        documents.append(await body.document(len(DOCUMENT)))

    connection = Connection(answer, set(), head_seconds=60, keep_alive_seconds=60)
    connection.connection_made(asyncio.Transport())
    headers = {"Host": "localhost", "Content-Length": str(len(DOCUMENT))}
    connection.data_received(request_bytes("POST", "/bucket?delete", headers))

    tracemalloc.start()
    for position in range(0, len(DOCUMENT), 2):
        connection.data_received(DOCUMENT[position : position + 2])
        await asyncio.sleep(0)
    await connection.ended()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert documents == [DOCUMENT]
    assert peak < 8 * len(DOCUMENT)
