"""HTTP as it is on the wire: whatever bytes a test wants to send, and what comes back for them.

No library stands between, because libraries mend what the tests want to be wrong.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

# A server that has not answered by then hangs.
ANSWER_SECONDS = 30
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_NO_BODY = (204, 304)


@dataclass(frozen=True)
class Answer:
    """An answer, whole. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error_code(self) -> str | None:
        """The <Code> of an error document; None where the body is none."""
        return self.error("Code")

    def error(self, name: str) -> str | None:
        """The text of an element of the error document."""
        if b"<Error>" not in self.body:
            return None
        return self.document.findtext(name)

    @property
    def refusal(self) -> tuple[int, str | None]:
        """Status and error code."""
        return self.status, self.error_code

    @property
    def document(self) -> Element:
        """The XML of the body, without its namespace."""
        root = ElementTree.fromstring(self.body)
        for element in root.iter():
            element.tag = element.tag.removeprefix(_NAMESPACE)
        return root

    def texts(self, path: str) -> list[str]:
        """The text of every element at that path of the document, in order."""
        return [element.text or "" for element in self.document.findall(path)]

    @property
    def etag(self) -> str:
        """The ETag header without its quotes."""
        return self.headers["etag"].strip('"')

    @property
    def worker(self) -> str:
        """What tells the worker processes of a server apart."""
        return self.headers["x-amz-id-2"]


class Wire:
    """One connection. Reads fail after ANSWER_SECONDS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are. A server that closed meanwhile is not an error yet."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    def send_later(self, data: bytes) -> None:
        """Send bytes as the server takes them, without waiting for it."""
        self._writer.write(data)

    async def stop_reading(self) -> None:
        """Take nothing any more from what the server sends."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    async def answer(self, method: str = "GET", *, seconds: float = ANSWER_SECONDS) -> Answer:
        """Return the next answer that is final; method: of the request, a HEAD has no body."""
        async with asyncio.timeout(seconds):
            while True:
                status, headers = await self._head()
                if status >= 200:
                    break
            body = b""
            if method != "HEAD" and status not in _NO_BODY:
                body = await self._body(headers)
        return Answer(status, headers, body)

    async def interim(self) -> bytes:
        """Return the next lines up to an empty one, e.g. those of 100 Continue."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def read(self, size: int) -> bytes:
        """Return so many bytes; IncompleteReadError where the server closes before."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return everything up to the end; a reset is an end, too."""
        received = b""
        async with asyncio.timeout(ANSWER_SECONDS):
            with suppress(ConnectionError):
                while piece := await self._reader.read(1 << 16):
                    received += piece
        return received

    async def is_silent_for(self, seconds: float) -> bool:
        """Tell whether nothing comes for so long; the end of the connection is not nothing."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.readexactly(1)
        except TimeoutError:
            return True
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        return False

    def end(self) -> None:
        """Close the side that sends; answers can still come."""
        self._writer.write_eof()

    def vanish(self) -> None:
        """Cut the connection with a reset, whatever is under way."""
        self._writer.transport.abort()

    async def _head(self) -> tuple[int, dict[str, str]]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
        status_line, *lines = head[:-4].split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(status_line.split(" ")[1]), headers

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        assert "transfer-encoding" not in headers, "the server knows the length of all it sends"
        return await self._reader.read()


@asynccontextmanager
async def connected(endpoint: str) -> AsyncIterator[Wire]:
    """Yield a new connection to the server at that URL."""
    url = urlsplit(endpoint)
    tls = ssl.create_default_context() if url.scheme == "https" else None
    reader, writer = await asyncio.open_connection(
        url.hostname, url.port or (443 if tls else 80), ssl=tls, limit=1 << 20
    )
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it is sent, exactly with these headers."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
