"""What a stop waits for, seen from connections and listeners of the test's own."""

import asyncio
import socket
from pathlib import Path

from server.http.accept import ConnectionCounts, Listener
from server.http.connection import Connections
from server.http.request import HttpRequest
from server.http.tls import server_context
from tests.fix_server import make_certificate

ANSWER = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 40_000
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GIVE_UP_SECONDS = 30


class Accepted(asyncio.Protocol):
    """A connection that is not refused: its handshake may take long."""


async def answer(http: HttpRequest) -> None:
    """Leave all of it with the transport, which has room for more."""
    http.write(ANSWER)


async def test_what_is_left_of_an_answer_in_the_buffer_of_its_socket_is_sent() -> None:
    connections = Connections(answer, head_seconds=GIVE_UP_SECONDS, keep_alive_seconds=60)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    loop = asyncio.get_running_loop()
    transport, connection = await loop.connect_accepted_socket(connections, ours)
    reader, writer = await asyncio.open_connection(sock=theirs, limit=1024)
    writer.write(REQUEST)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not connection.unsent:  # noqa: ASYNC110 - the kernel takes what it can
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(connections.shutdown(GIVE_UP_SECONDS))
        await asyncio.sleep(0.1)

        answered = await reader.read(-1)
        await stopping

    assert answered == ANSWER
    assert transport.is_closing()
    writer.close()


async def test_a_client_that_takes_nothing_does_not_keep_the_server_from_stopping() -> None:
    connections = Connections(answer, head_seconds=GIVE_UP_SECONDS, keep_alive_seconds=60)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    loop = asyncio.get_running_loop()
    transport, connection = await loop.connect_accepted_socket(connections, ours)
    theirs.sendall(REQUEST)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not connection.unsent:  # noqa: ASYNC110 - the kernel takes what it can
            await asyncio.sleep(0.01)

        await connections.shutdown(0.2)

    assert transport.is_closing()
    theirs.close()


async def test_a_handshake_that_does_not_go_on_is_cut_off(tmp_path: Path) -> None:
    make_certificate(tmp_path / "certificate", tmp_path / "key")
    tls = server_context(tmp_path / "certificate", tmp_path / "key")
    with socket.create_server(("127.0.0.1", 0)) as waited_at:
        waited_at.setblocking(False)
        listener = Listener(waited_at, ConnectionCounts(1), 0)
        listener.start(
            Accepted,
            connections=lambda: 0,
            limit=10,
            refuse_at_once=lambda _: False,
            make_refusal=asyncio.Protocol,
            tls=tls,
            handshake_seconds=10 * GIVE_UP_SECONDS,
        )
        reader, writer = await asyncio.open_connection(*waited_at.getsockname())
        await asyncio.sleep(0.1)  # it is accepted, and waits for our first word
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await listener.stop()

            assert await reader.read(-1) == b""
    writer.close()
