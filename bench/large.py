"""Large uploads without wrk, which makes four copies of a body of 64 MiB before it sends it.

bench/large.py sink PORT              a server that drops every body, on as many threads as clients
bench/large.py put HOST PORT PATH FILE SECONDS    one client that sends a file again and again
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import s3bench

MIB = 1 << 20
SIZE = 64 * MIB
STREAMS = 2


def measure(*, seconds: float, rounds: int) -> dict[str, Any]:
    """Return MB/s: what wrk can send at all, and what the server takes from two plain clients."""
    from servers import s3d  # not for the processes that this file runs as

    with tempfile.TemporaryDirectory(prefix="s3d-bench-") as directory:
        work = Path(directory)
        work.chmod(0o711)
        port = _free_port()
        command = [sys.executable, __file__, "sink", str(port)]
        with subprocess.Popen(command) as sink:
            try:
                time.sleep(1)
                target = s3bench.Endpoint("sink", f"http://127.0.0.1:{port}", "", "", "")
                sent = _median(rounds, lambda: _wrk(target, directory, seconds))
            finally:
                sink.terminate()
        body = work / "body"
        body.write_bytes(os.urandom(SIZE))
        with s3d(work) as ours:
            ours.call("PUT", f"/{s3bench.BUCKET}")
            taken = _median(rounds, lambda: _clients(ours, body, seconds))
    return {
        "64 MiB bodies sent by wrk to a server that drops them, MB/s": sent,
        "64 MiB bodies sent to s3d by two clients with sendfile, MB/s": taken,
    }


def _median(rounds: int, once: Callable[[], float]) -> float:
    return statistics.median(once() for _ in range(rounds))


def _wrk(target: s3bench.Endpoint, work: str, seconds: float) -> float:
    return float(s3bench.wrk(target, work, "PUT", STREAMS, SIZE, ["/b/k"], int(seconds))["MBps"])


def _clients(target: s3bench.Endpoint, body: Path, seconds: float) -> float:
    where = urlsplit(target.url)
    clients = []
    for number in range(STREAMS):
        path = target.presign("PUT", f"/{s3bench.BUCKET}/large-{number}")
        command = [sys.executable, __file__, "put", str(where.hostname), str(where.port), path]
        clients.append(
            subprocess.Popen([*command, str(body), str(seconds)], stdout=subprocess.PIPE)
        )
    return sum(float(each.communicate()[0]) for each in clients)


def _put(host: str, port: int, path: str, body: Path, seconds: float) -> float:
    """Return the MB/s that one connection gets rid of; every answer is 200."""
    head = f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    sent, began = 0, time.perf_counter()
    with socket.create_connection((host, port)) as connection, body.open("rb") as file:
        while time.perf_counter() - began < seconds:
            connection.sendall(head)
            file.seek(0)
            connection.sendfile(file)
            answer = connection.recv(1 << 16)
            if not answer.startswith(b"HTTP/1.1 200"):
                sys.exit(answer.decode(errors="replace"))
            sent += SIZE
    return sent / (time.perf_counter() - began) / 1e6


def _sink(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_drop_bodies, args=(connection,), daemon=True).start()


def _drop_bodies(connection: socket.socket) -> None:
    buffer = bytearray(MIB)
    while got := connection.recv_into(buffer):
        _, _, start = bytes(buffer[:got]).partition(b"\r\n\r\n")
        left = SIZE - len(start)
        while left > 0 and (got := connection.recv_into(buffer)):
            left -= got
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        _sink(int(sys.argv[2]))
    else:
        host, port, path, body, seconds = sys.argv[2:]
        sys.stdout.write(str(_put(host, int(port), path, Path(body), float(seconds))))
