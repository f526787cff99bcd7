"""Virtual-hosted buckets where no name server knows them: a proxy that always asks this machine.

Clients ask a resolver for <bucket>.localhost, and few resolvers know it. Told to use this proxy
they ask nobody: it hands on what they send to the port they name on 127.0.0.1.
"""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

PIECE = 1 << 16


@pytest.fixture(scope="session")
def virtual_hosts() -> Iterator[str]:
    """The URL of the proxy, for a client's http_proxy and https_proxy."""
    with _Proxy(("127.0.0.1", 0), _Exchange) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()
        thread.join()


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _Exchange(socketserver.BaseRequestHandler):
    """A tunnel where the client asks for one, else one request and its answer."""

    def handle(self) -> None:
        client: socket.socket = self.request
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(PIECE)
            if not piece:
                return
            head += piece
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        tunnel = method == b"CONNECT"
        url = urlsplit(b"//" + target if tunnel else target)
        with socket.create_connection(("127.0.0.1", url.port or 80)) as upstream:
            if tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.sendall(_origin_form(head))
            up = threading.Thread(target=_copy, args=(client, upstream), daemon=True)
            up.start()
            _copy(upstream, client)
            # Wakes the other direction, which may wait for a client that keeps its connection.
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            up.join()


def _origin_form(head: bytes) -> bytes:
    """Return the head in origin-form, for a connection that ends with the answer."""
    request_line, rest = head.split(b"\r\n", 1)
    method, target, version = request_line.split(b" ")
    url = urlsplit(target)
    path = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    return b" ".join([method, path, version]) + b"\r\nConnection: close\r\n" + rest


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side may leave first
        while piece := source.recv(PIECE):
            target.sendall(piece)
