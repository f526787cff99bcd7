"""How a worker accepts connections when it is busy, seen from a listener of its own."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.http.accept import ConnectionCounts, Listener
from server.http.tls import server_context
from tests.fix_server import make_certificate

CLIENTS = 40


class Accepted(asyncio.Protocol):
    """A connection that was accepted."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Accepted.count += 1


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket at which clients wait to be accepted."""
    Accepted.count = 0
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as waited_at, ExitStack() as stack:
        waited_at.setblocking(False)
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection(waited_at.getsockname()))
        yield waited_at


async def turns_until(count: int) -> int:
    """Return how many turns of the event loop it takes until so many are accepted."""
    turns = 0
    async with asyncio.timeout(30):
        while Accepted.count < count:
            turns += 1
            await asyncio.sleep(0)
    return turns


async def test_a_worker_with_many_connections_accepts_many_in_a_turn(
    listening: socket.socket,
) -> None:
    """Its turns are long: one connection in each took ten seconds for a thousand."""
    listener = Listener(listening, ConnectionCounts(1), 0)

    listener.start(Accepted, connections=lambda: 1000, limit=10_000, make_refusal=asyncio.Protocol)
    turns = await turns_until(CLIENTS)
    await listener.stop()

    assert turns < CLIENTS / 2


async def test_where_no_worker_has_room_clients_get_a_refusal(listening: socket.socket) -> None:
    counts = ConnectionCounts(2)
    counts.publish(1, 5)
    listener = Listener(listening, counts, 0)

    listener.start(asyncio.Protocol, connections=lambda: 5, limit=5, make_refusal=Accepted)
    await turns_until(CLIENTS)
    await listener.stop()

    assert Accepted.count == CLIENTS


async def test_clients_are_left_to_a_worker_that_has_room(listening: socket.socket) -> None:
    counts = ConnectionCounts(2)
    counts.publish(1, 4)
    listener = Listener(listening, counts, 0)

    listener.start(Accepted, connections=lambda: 5, limit=5, make_refusal=Accepted)
    await asyncio.sleep(0.5)
    await listener.stop()

    assert Accepted.count == 0


async def test_handshakes_of_clients_that_are_refused_take_no_place(
    listening: socket.socket, tmp_path: Path
) -> None:
    make_certificate(tmp_path / "certificate", tmp_path / "key")
    counts = ConnectionCounts(2)
    counts.publish(1, 5)
    listener = Listener(listening, counts, 0)

    listener.start(
        Accepted,
        connections=lambda: 5,
        limit=5,
        make_refusal=Accepted,
        tls=server_context(tmp_path / "certificate", tmp_path / "key"),
    )
    await asyncio.sleep(0.3)
    mine = counts.fewest_elsewhere(1)
    await listener.stop()

    assert mine == 5
