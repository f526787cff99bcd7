"""How a worker accepts connections when it is busy, seen from a listener of its own."""

import asyncio
import itertools
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.http import accept
from server.http.accept import ConnectionCounts, Listener
from server.http.refusals import refuse_at_once
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
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as waited_at:
        waited_at.setblocking(False)
        yield waited_at


@pytest.fixture(autouse=True)
def clients(listening: socket.socket) -> Iterator[list[socket.socket]]:
    """The clients that wait."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(listening.getsockname()))
            for _ in range(CLIENTS)
        ]


@pytest.fixture
def full(listening: socket.socket) -> Listener:
    """The listener of a worker that holds five connections, as another one does."""
    counts = ConnectionCounts(2)
    counts.publish(1, 5)
    return Listener(listening, counts, 0)


def start(listener: Listener, **changed: Any) -> None:
    """Start it as that of a worker all of whose places are taken."""
    settings: dict[str, Any] = {
        "make_protocol": asyncio.Protocol,
        "connections": lambda: 5,
        "limit": 5,
        "refuse_at_once": refuse_at_once,
        "make_refusal": Accepted,
    }
    listener.start(**(settings | changed))


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

    start(
        listener,
        make_protocol=Accepted,
        make_refusal=asyncio.Protocol,
        connections=lambda: 1000,
        limit=10_000,
    )
    turns = await turns_until(CLIENTS)
    await listener.stop()

    assert turns < CLIENTS / 2


@pytest.mark.parametrize(("theirs", "accepts"), [(0, False), (1, True)])
async def test_the_second_connection_is_left_to_a_worker_that_has_none(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, theirs: int, accepts: bool
) -> None:
    monkeypatch.setattr(accept, "_STEP_BACK_SECONDS", 60.0)  # for good
    counts = ConnectionCounts(2)
    counts.publish(1, theirs)
    listener = Listener(listening, counts, 0)

    start(
        listener,
        make_protocol=Accepted,
        make_refusal=asyncio.Protocol,
        connections=lambda: 1,
        limit=10_000,
    )
    await asyncio.sleep(0.05)
    await listener.stop()

    assert (Accepted.count > 0) == accepts


async def test_where_no_worker_has_room_clients_get_a_refusal(full: Listener) -> None:
    start(full)
    await turns_until(CLIENTS)
    await full.stop()

    assert Accepted.count == CLIENTS


async def test_those_whose_request_has_come_get_their_answer_from_the_socket(
    full: Listener, clients: list[socket.socket]
) -> None:
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.setblocking(False)

    start(full)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        answers = [await loop.sock_recv(client, 1 << 16) for client in clients]
    await full.stop()

    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 503 "}
    assert Accepted.count == 0


async def test_those_whose_request_is_still_to_come_are_few_at_a_time(
    full: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "_REFUSE_SECONDS", 60.0)  # one time only

    start(full)
    await asyncio.sleep(0.3)
    await full.stop()

    assert 0 < Accepted.count <= accept._REFUSED_LATER


async def test_a_full_worker_without_descriptors_waits_for_some(full: Listener) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with capture_logs() as logged:
        start(full)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            await asyncio.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await full.stop()

    assert [each["event"] for each in logged if each["log_level"] == "error"] == [
        "cannot accept connections"
    ]


async def test_a_worker_that_is_full_again_and_again_says_so_once(full: Listener) -> None:
    held = itertools.cycle([4, 5])
    with capture_logs() as logged:
        start(full, make_protocol=Accepted, connections=lambda: next(held))
        await turns_until(CLIENTS)
    await full.stop()

    assert [each["event"] for each in logged] == ["all connections are taken; refusing more"]


async def test_clients_are_left_to_a_worker_that_has_room(listening: socket.socket) -> None:
    counts = ConnectionCounts(2)
    counts.publish(1, 4)
    listener = Listener(listening, counts, 0)

    start(listener, make_protocol=Accepted)
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

    start(
        listener,
        make_protocol=Accepted,
        tls=server_context(tmp_path / "certificate", tmp_path / "key"),
    )
    await asyncio.sleep(0.3)
    mine = counts.fewest_elsewhere(1)
    await listener.stop()

    assert mine == 5
