"""Structured logs: lines of text on a terminal, one JSON object a line elsewhere.

Everything goes to standard error in one write a line, so that lines of workers never mix.
"""

import contextlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson
import structlog

Event = MutableMapping[str, Any]

_STDERR: Final = 2
# What a pipe takes whole (PIPE_BUF): lines of other workers do not come between.
_ATOMIC_BYTES: Final = 4096
# Before the same outage is logged for another request.
_AGAIN_SECONDS: Final = 1.0
_LEVELS: Final = MappingProxyType(
    {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
)
# Fields whose text keeps its lines, below the line of the event: what Python or a program printed.
_MANY_LINES: Final = ("output", "exception")
# A str of ours that hides itself (a secret) must be shown by its repr, not as the str it is.
_JSON_OPTIONS: Final = (
    orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_NON_STR_KEYS
)


def configure(log_format: str, log_level: str) -> None:
    """Send the logs of this process, those of the libraries too, to standard error.

    log_format, log_level: as the settings of the same names.
    """
    as_text = log_format == "text" or (log_format == "auto" and os.isatty(_STDERR))
    level = _LEVELS[log_level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_time_and_level,
            structlog.processors.format_exc_info,
            _as_text if as_text else _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Writer,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ThroughStructlog()]
    # Libraries say little that matters below a warning, and a debugging operator asks for all.
    root.setLevel(level if log_level == "debug" else max(level, logging.WARNING))
    global _request_line
    _request_line = _quiet if level > logging.INFO else _text_line if as_text else _json


class RequestLog:
    """What is logged about requests. Errors are logged once, where they are handled.

    soon: calls a function when the work at hand is done, as an event loop's call_soon does. The
        lines of requests that are answered together are then written together.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._lines: list[bytes] = []
        self._outage_again: dict[str, float] = {}  # event → when it is logged again
        self._not_logged: Counter[str] = Counter()

    def request(
        self,
        *,
        request_id: str,
        account: str,
        operation: str,
        bucket: str,
        key: str,
        status: int,
        error_code: str,
        bytes_in: int,
        bytes_out: int,
        milliseconds: float,
    ) -> None:
        """Write the one line of an answered request; what is not known is "".

        account: its name. bytes: of bodies, without heads.
        """
        line = _request_line(
            {
                "time": _now(),
                "level": "info",
                "event": "request",
                "request_id": request_id,
                "account": account or None,
                "operation": operation or None,
                "bucket": bucket or None,
                "key": key or None,
                "status": status,
                "error_code": error_code or None,
                "bytes_in": bytes_in,
                "bytes_out": bytes_out,
                "milliseconds": round(milliseconds, 3),
            }
        )
        if line:
            self._lines.append(line)
            if len(self._lines) == 1:
                self._soon(self._write)

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        together = b""
        for line in lines:
            if len(together) + len(line) > _ATOMIC_BYTES:
                _write(together)
                together = b""
            together += line
        _write(together)

    def trouble(self, event: str, request_id: str, error: BaseException) -> None:
        """Log what an operator has to mend: a disk, a database. The error's words are enough."""
        said = f"{type(error).__name__}: {error}"
        structlog.get_logger().error(event, request_id=request_id, error=said)

    def outage(self, event: str, request_id: str, error: BaseException) -> None:
        """Log trouble that every request has alike: once a second, with how many had it since."""
        now = time.monotonic()
        if now < self._outage_again.get(event, 0.0):
            self._not_logged[event] += 1
            return
        self._outage_again[event] = now + _AGAIN_SECONDS
        said = f"{type(error).__name__}: {error}"
        more = self._not_logged.pop(event, 0)
        structlog.get_logger().error(
            event, request_id=request_id, error=said, **({"not_logged": more} if more else {})
        )

    def defect(self, event: str, request_id: str, error: BaseException) -> None:
        """Log what a programmer has to mend, with its traceback."""
        structlog.get_logger().error(event, request_id=request_id, exc_info=error)


class _Writer:
    """The end of structlog's chain."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: bytes) -> None:
        _write(line)

    debug = info = warning = error = critical = msg


class _ThroughStructlog(logging.Handler):
    """Gives the records of libraries the form of our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        event = record.getMessage()
        logger = structlog.get_logger().bind(logger=record.name)
        logger.log(record.levelno, event, exc_info=record.exc_info or None)


def _quiet(_: Mapping[str, Any]) -> bytes:
    return b""


def _text_line(line: Mapping[str, Any]) -> bytes:
    where = "/".join(part for part in (line["bucket"], line["key"]) if part)
    said = [line["time"], str(line["status"]), line["error_code"], line["operation"]]
    said += [where, f"in={line['bytes_in']}", f"out={line['bytes_out']}"]
    said += [f"{line['milliseconds']:.1f}ms", line["account"], line["request_id"]]
    return _printable(" ".join(part for part in said if part)).encode() + b"\n"


def _add_time_and_level(_: Any, method: str, event: Event) -> Event:
    return {"time": _now(), "level": method, **event}


def _as_json(_: Any, __: str, event: Event) -> bytes:
    return _json(event)


def _as_text(_: Any, __: str, event: Event) -> bytes:
    rest = dict(event)
    below = [rest.pop(name) for name in _MANY_LINES if rest.get(name)]
    said = [rest.pop("time"), rest.pop("level"), str(rest.pop("event"))]
    said += [f"{name}={_shown(value)}" for name, value in rest.items()]
    lines = [" ".join(said), *(line for text in below for line in text.split("\n") if line)]
    return "".join(_printable(line) + "\n" for line in lines).encode()


def _shown(value: Any) -> str:
    # A plain word as it is; a string that hides itself, and all else, by its repr.
    return value if type(value) is str and value and " " not in value else repr(value)


def _json(line: Mapping[str, Any]) -> bytes:
    """Return a line of JSON in which nothing moves a cursor or ends the line early."""
    try:
        written = orjson.dumps(line, default=repr, option=_JSON_OPTIONS)
        if written[:-1].isascii() or written[:-1].decode().isprintable():
            return written if b"\x7f" not in written else written.replace(b"\x7f", b"\\u007f")
    except (orjson.JSONEncodeError, TypeError):
        pass  # a lone surrogate, from a header that is not UTF-8
    plain = {str(name): _plain(value) for name, value in line.items()}
    return json.dumps(plain, ensure_ascii=True, default=repr).encode() + b"\n"


def _plain(value: Any) -> Any:
    return value if type(value) in {str, int, float, bool, type(None)} else repr(value)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def _write(line: bytes) -> None:
    # A terminal that is gone or a full disk under the log must not fail the request.
    with contextlib.suppress(OSError):
        os.write(_STDERR, line)


_request_line: Callable[[Mapping[str, Any]], bytes] = _json
