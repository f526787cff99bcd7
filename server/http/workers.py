"""Worker processes: started, replaced, watched and stopped by gunicorn.

The manager imports nothing of the application, which keeps it small; a worker imports it after it
was forked. Nothing is read from gunicorn's configuration files, variables or command line.
"""

import asyncio
import ctypes
import faulthandler
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Final, cast

import structlog
import uvloop
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.workers.base import Worker

from server.config import Settings
from server.http.accept import ConnectionCounts, Listener

# What a worker runs: it calls `ready` once it accepts connections, and returns after `stopping` is
# set and its requests are answered. The object is the caller's own, made before the workers.
RunWorker = Callable[
    [Settings, Sequence[Listener], Any, asyncio.Event, Callable[[], None]],
    Coroutine[Any, Any, None],
]

_HEARTBEAT_SECONDS: Final = 1.0
# A worker that cannot start is not replaced in a loop.
_PAUSE_SECONDS: Final = 1.0
# The application ends requests when their time is over; after that it has so long to close up.
_CLOSING_SECONDS: Final = 1
# A worker ends by itself; the manager helps only later.
_LATER_SECONDS: Final = 3
_PR_SET_PDEATHSIG: Final = 1
# Held back from a worker until it can act on them.
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGQUIT)
# Of no meaning here, and deadly unless ignored.
_IGNORED: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)

_log = structlog.get_logger()


def serve(
    settings: Settings,
    sockets: Sequence[socket.socket],
    load: Callable[[], RunWorker],
    *,
    shared: Any = None,
    each_second: Callable[[], None] = lambda: None,
) -> int:
    """Run workers until a signal ends it; return the exit status of the process.

    sockets: listening; closed on return. load: called in every worker, so that its imports do not
    weigh on the manager. shared: handed to every worker, as it was before forking.
    each_second: called in the manager, about so often; it must not block. What it raises is logged.

    SIGTERM, SIGINT and SIGHUP let requests in flight finish; SIGQUIT, and a second SIGINT, do not.
    Signal handlers stay in place on return.
    """
    for name in ("GUNICORN_PID", "GUNICORN_FD"):
        os.environ.pop(name, None)
    return _Application(settings, sockets, load, shared, each_second).status()


class _Application(BaseApplication):
    """Our settings in gunicorn's words, and what the workers share."""

    def __init__(
        self,
        settings: Settings,
        sockets: Sequence[socket.socket],
        load: Callable[[], RunWorker],
        shared: Any,
        each_second: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.sockets = list(sockets)
        self.load_run_worker = load
        self.shared = shared
        self.each_second = each_second
        self.counts = ConnectionCounts(settings.workers)
        self.has_served = mmap.mmap(-1, 1)
        super().__init__()

    def load_config(self) -> None:
        in_memory = "/dev/shm"
        ours = {
            "workers": self.settings.workers,
            "worker_class": _Worker,
            "logger_class": _GunicornLog,
            "timeout": self.settings.worker_timeout_seconds,
            "graceful_timeout": self.settings.graceful_timeout_seconds + _LATER_SECONDS,
            # Heartbeats are times of a file; one on a disk would wait for the disk.
            "worker_tmp_dir": in_memory if os.access(in_memory, os.W_OK | os.X_OK) else None,
            "control_socket_disable": True,
            "proc_name": "s3d",
            "when_ready": self._when_ready,
            "pre_fork": self._pre_fork,
            "child_exit": self._child_exit,
        }
        for name, value in ours.items():
            self.cfg.set(name, value)

    def status(self) -> int:
        """Run the manager to its end; return the exit status."""
        manager = os.getpid()
        status = 1
        try:
            _Manager(self).run()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except HaltServer:
            pass  # a worker failed while all were being stopped
        finally:
            # A worker comes here too, up the stack that it was forked with. What waits further up,
            # PostgreSQL's context for one, belongs to the manager.
            if os.getpid() != manager:
                os._exit(status)
        return 1 if status else 0

    def _when_ready(self, _: Arbiter) -> None:
        scheme = self.settings.scheme
        for each in self.sockets:
            host, port, *_rest = each.getsockname()
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            _log.info(f"listening on {scheme}://{where}", pid=os.getpid())

    def _pre_fork(self, manager: Arbiter, worker: "_Worker") -> None:
        others = cast("dict[int, _Worker]", manager.WORKERS)
        taken = {each.place for each in others.values()}
        worker.place = min(set(range(self.settings.workers)) - taken)

    def _child_exit(self, _: Arbiter, worker: "_Worker") -> None:
        self.counts.clear(worker.place)


class _Manager(Arbiter):
    """gunicorn's manager with our signals and our sockets."""

    # The others change the number of workers or replace the program: not while it serves data.
    SIGNALS: ClassVar[list[int]] = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]

    def __init__(self, app: _Application) -> None:
        super().__init__(app)
        self._application = app
        # Plain sockets do for all that gunicorn does with its own; it opens none where it has some.
        self.LISTENERS = app.sockets  # type: ignore[misc, assignment]

    def init_signals(self) -> None:
        # nohup ignores SIGHUP on purpose.
        keep_running = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().init_signals()
        for each in (*_IGNORED, *([signal.SIGHUP] if keep_running else [])):
            signal.signal(each, signal.SIG_IGN)

    def handle_term(self) -> None:
        """Stop, once the requests in flight are finished."""
        _log.info("stopping", pid=os.getpid())
        super().handle_term()

    def handle_int(self) -> None:
        """Stop as SIGTERM does; a second one, during the stop, is quick."""
        self.handle_term()

    def handle_hup(self) -> None:
        """Stop: the terminal of a server in the foreground is gone."""
        self.handle_term()

    def manage_workers(self) -> None:
        super().manage_workers()
        try:
            self._application.each_second()
        except Exception:  # noqa: BLE001 - whatever befalls it, the workers go on serving
            _log.exception("what is done each second failed")

    def spawn_workers(self) -> None:
        """Start the workers that are missing; those that cannot be started are tried next second.

        A system that is short of processes or memory must not lose the other workers, too.
        """
        try:
            super().spawn_workers()
        except OSError as error:
            _log.error("a worker cannot be started", error=str(error))

    def spawn_worker(self) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


class _Worker(Worker):
    """One worker: an event loop that runs the application."""

    app: _Application
    place: int

    def init_process(self) -> None:
        """Run from the fork to the exit of the process."""
        _die_with_the_manager(self.ppid)
        # The first sign of life, from which on silence counts.
        self.notify()
        faulthandler.enable()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Ctrl-C and a lost terminal reach the workers too, but the manager decides.
        for each in (signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        try:
            run_worker = self.app.load_run_worker()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run(run_worker))
        except Exception:  # noqa: BLE001 - the end of the process; what ends here is logged
            _log.exception("worker failed")
            sys.exit(self._status_of_failure())

    async def _run(self, run_worker: RunWorker) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        loop.add_signal_handler(signal.SIGQUIT, os._exit, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        heartbeat = loop.create_task(self._show_life())
        listeners = [Listener(each, self.app.counts, self.place) for each in self.app.sockets]
        work = loop.create_task(
            run_worker(self.app.settings, listeners, self.app.shared, stopping, self._ready)
        )
        told_to_stop = loop.create_task(stopping.wait())
        await asyncio.wait({work, told_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            limit = self.app.settings.graceful_timeout_seconds + _CLOSING_SECONDS
            await asyncio.wait({work}, timeout=limit)
        if not work.done():
            _log.warning("stopping with requests in flight: their time is over")
            os._exit(0)
        heartbeat.cancel()
        told_to_stop.cancel()
        work.result()

    def _ready(self) -> None:
        self.app.has_served[0] = 1
        self.booted = True
        _log.debug("worker ready", pid=os.getpid())

    async def _show_life(self) -> None:
        while True:
            self.notify()
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    def _status_of_failure(self) -> int:
        """Return how to exit after a failure: the first worker that cannot start ends it all."""
        if not self.app.has_served[0]:
            return Arbiter.WORKER_BOOT_ERROR
        if not self.booted:
            time.sleep(_PAUSE_SECONDS)
        return 1


class _GunicornLog:
    """gunicorn's logger, speaking through ours. Its chatter is for debugging."""

    def __init__(self, _: Any) -> None:
        self._log = structlog.get_logger().bind(logger="gunicorn")

    def debug(self, message: str, *values: Any, **_: Any) -> None:
        self._log.debug(message, *values)

    info = debug

    def warning(self, message: str, *values: Any, **_: Any) -> None:
        self._log.warning(message, *values)

    def error(self, message: str, *values: Any, **more: Any) -> None:
        self._log.error(message, *values, exc_info=more.get("exc_info"))

    critical = error

    def exception(self, message: str, *values: Any, **_: Any) -> None:
        self._log.error(message, *values, exc_info=True)

    def close_on_exec(self) -> None:
        """Do nothing: standard error is for children too."""

    def reopen_files(self) -> None:
        """Do nothing: there are none."""


def _die_with_the_manager(manager: int) -> None:
    """Have the kernel kill this process when the manager dies, however stuck it is by then.

    So the port and the locks are free for the next start. A write that is cut off was not answered.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != manager:
        os._exit(1)  # it died before the kernel knew
