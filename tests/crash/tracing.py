"""strace on a server that runs: what its workers ask of the system, and what the system answers.

A call that ends later than another begins says so in the trace; order is judged by that alone.
"""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_ATTACH_SECONDS = 10
_BEGAN = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"


@dataclass
class Call:
    """A call to the system. began, ended: lines of the trace."""

    thread: int
    name: str
    text: str  # arguments and result as strace writes them
    began: int
    ended: int | None

    def is_before(self, other: "Call") -> bool:
        """Tell whether this one had ended when the other began."""
        return self.ended is not None and self.ended < other.began


@asynccontextmanager
async def traced(strace: Path, process: int, trace: Path, *options: str) -> AsyncIterator[None]:
    """Trace a process or, without the option -f, one thread, until the block ends or it dies."""
    tracer = await asyncio.create_subprocess_exec(
        *(strace, "-p", str(process), "-o", trace, "-y", "-s", "64", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert tracer.stderr is not None
        async with asyncio.timeout(_ATTACH_SECONDS):
            said = await tracer.stderr.readline()
        assert b"attached" in said, said
        yield
    finally:
        # Asked to end, it lets go of the process; killed, it might not.
        with suppress(ProcessLookupError):
            tracer.send_signal(signal.SIGINT)
        await tracer.communicate()


def calls(trace: Path) -> Sequence[Call]:
    """Return the calls of a trace of several threads (-f), in the order in which they began."""
    found: list[Call] = []
    running: dict[int, Call] = {}
    for number, line in enumerate(trace.read_text(errors="replace").splitlines()):
        if resumed := _RESUMED.match(line):
            call = running.pop(int(resumed["thread"]), None)
            if call is not None:
                call.text += resumed["rest"]
                call.ended = number
        elif began := _BEGAN.match(line):
            is_done = not line.endswith(_UNFINISHED)
            text = began["rest"].removesuffix(_UNFINISHED)
            thread = int(began["thread"])
            call = Call(thread, began["name"], text, number, number if is_done else None)
            found.append(call)
            if not is_done:
                running[thread] = call
    return found
