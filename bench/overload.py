"""What is left of the peak when far more clients come than the server can carry.

    python -m bench.overload [--seconds 5] [--rounds 3] [--connections 4000]

Starts this server (two workers, else default settings) in a fresh directory and asks for objects of
4 KiB, then writes some, in a closed loop: 64 connections, then many more, in turn. Each line tells
good answers a second of time and a second of the workers' processors (the machine may be shared),
and how long answers took. Ends with the ratio of the medians. Traffic goes to 127.0.0.1 alone.
"""

import argparse
import asyncio
import itertools
import os
import resource
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, running_server
from tests.overload.load import Load, Tally, run
from tests.processes import workers_of

PEAK_CONNECTIONS = 64
WARM_UP_SECONDS = 2.0
BODY = os.urandom(4096)
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, and print a line for each step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4000)
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        tempfile.TemporaryDirectory(prefix="s3d-overload-") as directory,
        running_server(Path(directory)) as server,
    ):
        s3 = client_of(server).signing("query", "unsigned")
        asyncio.run(seed(s3))
        gets = [s3.message("GET", f"/load/{n}", expires=86400) for n in range(100)]
        puts = [s3.message("PUT", f"/load/new-{n}", body=BODY, expires=86400) for n in range(5000)]
        for name, messages, body in [("get-4k", gets, BODY), ("put-4k", puts, b"")]:
            following = itertools.cycle(messages).__next__
            steps: dict[int, list[float]] = {PEAK_CONNECTIONS: [], chosen.connections: []}
            for _ in range(chosen.rounds):
                for connections, rates in steps.items():
                    load = Load(
                        server.endpoint,
                        following,
                        is_right=lambda status, _, got, body=body: (status, got) == (200, body),
                        is_refusal=lambda _, __, got: b"<Code>SlowDown</Code>" in got,
                    )
                    tally, processor = measured(server, load, connections, chosen.seconds)
                    rates.append(len(tally.good) / processor)
                    tell(name, connections, chosen.seconds, tally, processor)
            peak, beyond = (statistics.median(rates) for rates in steps.values())
            say(f"{name}: {beyond / peak:.0%} of the peak at {chosen.connections} connections\n")


async def seed(s3: S3Client) -> None:
    """Make the bucket and what is read."""
    answers = [await s3.put("/load")]
    answers += [await s3.put(f"/load/{n}", body=BODY) for n in range(100)]
    assert {answer.status for answer in answers} == {200}


def measured(
    server: RunningServer, load: Load, connections: int, seconds: float
) -> tuple[Tally, float]:
    """Return what came back, and the processor time of the workers meanwhile."""
    used: list[float] = []
    look: Callable[[], None] = lambda: used.append(processor_seconds(server))  # noqa: E731
    timers = [threading.Timer(WARM_UP_SECONDS + after, look) for after in (0, seconds)]
    for timer in timers:
        timer.start()
    tally = run(load, connections, seconds, warm_up_seconds=WARM_UP_SECONDS)
    for timer in timers:
        timer.join()
    return tally, used[1] - used[0]


def processor_seconds(server: RunningServer) -> float:
    """Return what the workers have used of the processors so far."""
    stats = [Path(f"/proc/{worker}/stat").read_text() for worker in workers_of(server)]
    fields = [text.rpartition(")")[2].split() for text in stats]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


def tell(name: str, connections: int, seconds: float, tally: Tally, processor: float) -> None:
    good, refused, at = tally.good, tally.refused, tally.percentile
    say(
        f"{name} {connections:5d} connections:"
        f" good {len(good) / seconds:6.0f}/s, {len(good) / processor:6.0f} a processor second,"
        f" p50 {at(good, 50):.3f} s, p99 {at(good, 99):.3f} s;"
        f" refused {len(refused) / seconds:6.0f}/s, p99 {at(refused, 99):.3f} s,"
        f" most {at(refused, 100):.3f} s; wrong {sum(tally.wrong.values())}, broken {tally.broken}"
    )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
