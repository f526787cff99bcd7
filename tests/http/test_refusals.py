"""What is answered in its socket, where there is no place, and what is waited for."""

import socket
from collections.abc import Iterator

import pytest

from server.http.refusals import refuse_at_once

HEAD = b"Host: localhost\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), timeout=10)
        server, _ = listening.accept()
    server.setblocking(False)
    with client, server:
        yield client, server


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /b/k HTTP/1.1\r\n" + HEAD + b"\r\n", id="no body"),
        pytest.param(b"GET /b/k HTTP/1.1\r\n\r\n", id="no headers"),
        pytest.param(
            b"PUT /b/k HTTP/1.1\r\n" + HEAD + b"Content-Length: 4096\r\n\r\n" + bytes(4096),
            id="a small body, whole",
        ),
        pytest.param(
            b"DELETE /b/k HTTP/1.1\r\ncontent-length:0\r\n" + HEAD + b"\r\n", id="an empty body"
        ),
    ],
)
def test_a_request_that_has_come_whole_is_told_to_slow_down(
    ends: tuple[socket.socket, socket.socket], request_: bytes
) -> None:
    client, server = ends
    client.sendall(request_)

    refused = refuse_at_once(server)

    assert refused
    assert server.fileno() == -1
    answer = _all_of(client)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert b"<Code>SlowDown</Code>" in answer


def test_a_head_gets_no_body(ends: tuple[socket.socket, socket.socket]) -> None:
    client, server = ends
    client.sendall(b"HEAD /b/k HTTP/1.1\r\n" + HEAD + b"\r\n")

    assert refuse_at_once(server)
    assert _all_of(client).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /b/k HTTP/1.1\r\n" + HEAD, id="half a head"),
        pytest.param(b"PUT /b/k HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", id="a body on its way"),
        pytest.param(b"PUT /b/k HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", id="a large body"),
        pytest.param(b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", id="chunks"),
        pytest.param(b"PUT /b/k HTTP/1.1\r\nContent-Length: -1\r\n\r\n", id="no length at all"),
        pytest.param(b"GET /b/k HTTP/1.1\r\n" + HEAD + b"\r\nGET /", id="the next request"),
    ],
)
def test_what_has_not_come_whole_is_left_unread(
    ends: tuple[socket.socket, socket.socket], request_: bytes
) -> None:
    client, server = ends
    client.sendall(request_)

    refused = refuse_at_once(server)

    assert not refused
    client.shutdown(socket.SHUT_WR)
    server.setblocking(True)
    assert _all_of(server) == request_


def test_a_client_that_is_gone_again_leaves_no_socket_behind(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client, server = ends
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    client.close()

    assert refuse_at_once(server)
    assert server.fileno() == -1


def test_a_client_that_asks_nothing_and_leaves_is_not_waited_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client, server = ends
    client.close()

    assert refuse_at_once(server)
    assert server.fileno() == -1


def _all_of(end: socket.socket) -> bytes:
    return b"".join(iter(lambda: end.recv(1 << 16), b""))
