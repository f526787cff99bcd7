"""The least that an aiohttp server can do: bench/bare_answer.py PORT PROCESSES"""

import asyncio
import os
import signal
import sys

import uvloop
from aiohttp import web

BODY = os.urandom(4096)
HEADERS = {
    "Server": "bare",
    "ETag": '"d41d8cd98f00b204e9800998ecf8427e"',
    "Last-Modified": "Sat, 28 Nov 2026 01:01:01 GMT",
    "Content-Type": "binary/octet-stream",
}


async def answer(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=BODY, headers=HEADERS)


async def serve(port: int) -> None:
    server = web.Server(answer, access_log=None)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    await loop.create_server(server, "127.0.0.1", port, reuse_port=True)
    await stopping.wait()


def main() -> None:
    port, processes = int(sys.argv[1]), int(sys.argv[2])
    children = []
    for _ in range(processes - 1):
        child = os.fork()
        if not child:
            uvloop.run(serve(port))
            os._exit(0)
        children.append(child)
    uvloop.run(serve(port))
    for child in children:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
