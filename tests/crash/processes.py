"""The processes of a server with its embedded PostgreSQL, and how they are killed: kill -9."""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tests.fix_server import RunningServer
from tests.processes import children_of, workers_of

GONE_SECONDS = 20


def kill_a_worker(server: RunningServer, choose: random.Random) -> bool:
    workers = workers_of(server)
    return bool(workers) and _kill(choose.choice(workers))


def kill_a_backend(server: RunningServer, choose: random.Random) -> bool:
    """A process of PostgreSQL that is not the postmaster; one that serves us or any other."""
    processes = children_of(postmaster_of(server))
    return bool(processes) and _kill(choose.choice(processes))


def kill_the_manager(server: RunningServer, _: random.Random) -> bool:
    """Its workers die with it, PostgreSQL lives on."""
    assert server.process is not None
    is_killed = _kill(server.process.pid)
    server.process.wait()
    return is_killed


def kill_the_postmaster(server: RunningServer, _: random.Random) -> bool:
    """What it has started notices, and ends."""
    return _kill(postmaster_of(server))


def kill_everything(server: RunningServer, choose: random.Random) -> bool:
    assert server.process is not None
    postgres = postgres_of(server)
    # All in one go, in any order: nobody mends anything between the first and the last.
    everything = [server.process.pid, *workers_of(server), *postgres]
    choose.shuffle(everything)
    killed = [_kill(process) for process in everything]
    server.process.wait()
    wait_until_gone(postgres)
    return any(killed)


# Each returns whether it found what to kill: a process may be about to be replaced.
KILLS: Mapping[str, Callable[[RunningServer, random.Random], bool]] = {
    "worker": kill_a_worker,
    "PostgreSQL backend": kill_a_backend,
    "manager": kill_the_manager,
    "postmaster": kill_the_postmaster,
    "everything": kill_everything,
}
# After these it has to be started again.
ENDS_THE_SERVER = frozenset({"manager", "everything"})


def postmaster_of(server: RunningServer) -> int:
    """Return the process id that PostgreSQL left in its data; 0 where there is none just now."""
    assert server.data is not None
    pid_file = server.data / "postgres" / "data" / "postmaster.pid"
    with suppress(OSError):
        number = pid_file.read_text().partition("\n")[0]
        if number.isdecimal() and _name(int(number)) == "postgres":
            return int(number)
    return 0


def postgres_of(server: RunningServer) -> list[int]:
    """Return every process of the embedded PostgreSQL, also where its disk cannot be read."""
    assert server.data is not None
    data = str((server.data / "postgres" / "data").resolve())
    processes = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
    return [each for each in processes if _name(each) == "postgres" and _directory(each) == data]


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while left := [each for each in processes if _name(each) == "postgres"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def _name(process: int) -> str:
    """Return the name of a living process; nothing of a zombie."""
    try:
        name, _, rest = Path(f"/proc/{process}/stat").read_text().partition("(")[2].rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if rest.split()[0] == "Z" else name


def _directory(process: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{process}/cwd")
    return ""


def _kill(process: int) -> bool:
    """Return whether there was such a process."""
    if process <= 1:  # 0 would be this very group of processes
        return False
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
