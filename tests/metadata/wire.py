"""What stands between metadata and PostgreSQL, and can fall silent."""

import asyncio
from pathlib import Path

from server.metadata.errors import MetadataUnavailable
from server.metadata.store import Metadata

GIVE_UP_SECONDS = 20


class Wire:
    """Passes on what metadata and PostgreSQL say to one another, until it is told to be silent."""

    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self._target = target
        self._open = [asyncio.Event()]  # the last one is of connections to come
        self.speak()
        self.writers: list[asyncio.StreamWriter] = []

    def fall_silent(self) -> None:
        self._open[-1].clear()

    def let_new_ones_speak(self) -> None:
        self._open.append(asyncio.Event())
        self._open[-1].set()

    def speak(self) -> None:
        for each in self._open:
            each.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self.writers += [writer, there_writer]
        is_open = self._open[-1]
        await asyncio.gather(
            self._pass_on(is_open, reader, there_writer),
            self._pass_on(is_open, there_reader, writer),
        )

    async def _pass_on(
        self, is_open: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await reader.read(1 << 16):
                await is_open.wait()
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def is_answered(metadata: Metadata) -> bool:
    try:
        await metadata.settings.refresh()
    except MetadataUnavailable:
        return False
    return True


async def until_answered(metadata: Metadata) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not await is_answered(metadata):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.05)
