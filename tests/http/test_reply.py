"""Whom a reply waits for, seen from connections of the test's own."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from server.http.connection import Connections
from server.http.pace import LeastPace
from server.http.reply import send
from server.http.request import HttpRequest
from server.operation import S3Reply

BODY = bytes(1 << 20)  # more than the buffers of two sockets hold
GIVE_UP_SECONDS = 30
NO_HURRY = LeastPace(GIVE_UP_SECONDS, 1)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Of one connection: the server's, and the client's."""
    server, client = socket.socketpair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with server, client:
        yield server, client


async def sent_to(
    ends: tuple[socket.socket, socket.socket], *, is_known: bool
) -> tuple[Connections, asyncio.Event]:
    """Have a client ask that takes nothing; return its connection, and whether it was answered."""
    is_sent = asyncio.Event()

    async def answer(http: HttpRequest) -> None:
        await send(http, S3Reply(body=BODY), "0" * 16, pace=NO_HURRY, is_known=is_known)
        is_sent.set()

    connections = Connections(answer, head_seconds=GIVE_UP_SECONDS, keep_alive_seconds=0.5)
    await asyncio.get_running_loop().connect_accepted_socket(connections, ends[0])
    ends[1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connections, is_sent


async def test_a_client_who_is_known_holds_its_place_until_it_has_taken_the_answer(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    connections, is_sent = await sent_to(ends, is_known=True)
    await asyncio.sleep(0.5)
    assert not is_sent.is_set()

    reader, writer = await asyncio.open_connection(sock=ends[1])

    async with asyncio.timeout(GIVE_UP_SECONDS):
        await reader.readexactly(len(BODY))
        await is_sent.wait()
    writer.close()
    await connections.shutdown(GIVE_UP_SECONDS)


async def test_nobody_waits_for_a_client_who_is_not_known(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    connections, is_sent = await sent_to(ends, is_known=False)

    async with asyncio.timeout(GIVE_UP_SECONDS):
        await is_sent.wait()
        while len(connections):  # noqa: ASYNC110 - it takes nothing, and is cut off
            await asyncio.sleep(0.01)
