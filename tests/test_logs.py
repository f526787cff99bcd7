"""Lines of the log: whole, readable by machines, harmless to terminals, without secrets."""

import json
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from server import logs
from server.model.bucket import Secret

REQUEST = {
    "request_id": "4442587FB7D0A2F9",
    "account": "alice",
    "operation": "PutObject",
    "bucket": "photos",
    "key": "2026/é.jpg",
    "status": 200,
    "error_code": "",
    "bytes_in": 4096,
    "bytes_out": 0,
    "milliseconds": 1.2345,
}
NASTY_KEYS = [
    pytest.param("a\nb", id="line feed"),
    pytest.param("a\r\x1b[2Jb", id="escape sequence"),
    pytest.param("a\x7f\x9b31mb", id="C1 control"),
    pytest.param("a\u2028\u202eb", id="line separator and bidi override"),
    pytest.param("a\udcffb", id="byte that is not UTF-8"),
]


@pytest.fixture(autouse=True)
def _unchanged_logging() -> Any:
    """Leave logging as the other tests know it."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def at_once(function: Callable[[], None]) -> None:
    function()


def request(**changes: Any) -> None:
    logs.RequestLog(at_once).request(**{**REQUEST, **changes})  # type: ignore[arg-type]


def test_a_request_is_one_line_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")

    request()

    line = json.loads(capfd.readouterr().err)
    expected = {**REQUEST, "level": "info", "event": "request", "error_code": None}
    assert {**line, "time": ""} == {**expected, "time": "", "milliseconds": 1.234}
    assert line["time"].endswith("Z")


def test_a_request_is_one_line_of_text(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "info")

    request(status=404, error_code="NoSuchKey")

    line = capfd.readouterr().err
    assert line.endswith(
        "Z 404 NoSuchKey PutObject photos/2026/é.jpg in=4096 out=0 1.2ms alice 4442587FB7D0A2F9\n"
    )


def test_auto_is_json_where_no_terminal_is(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("auto", "info")

    request()

    assert json.loads(capfd.readouterr().err)["status"] == 200


@pytest.mark.parametrize("key", NASTY_KEYS)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_key_breaks_the_line_or_the_terminal(
    capfd: pytest.CaptureFixture[str], log_format: str, key: str
) -> None:
    logs.configure(log_format, "info")

    request(key=key)
    structlog.get_logger().warning("odd key", key=key)

    of_request, of_event, rest = capfd.readouterr().err.split("\n")
    assert of_request.isprintable()
    assert of_event.isprintable()
    assert rest == ""


@pytest.mark.parametrize("key", NASTY_KEYS)
def test_json_gives_every_key_back(capfd: pytest.CaptureFixture[str], key: str) -> None:
    logs.configure("json", "info")

    request(key=key)

    assert json.loads(capfd.readouterr().err)["key"] == key


def test_lines_of_requests_are_left_out_above_info(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "warning")

    request()

    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_secret_is_never_shown(capfd: pytest.CaptureFixture[str], log_format: str) -> None:
    logs.configure(log_format, "info")

    structlog.get_logger().error("odd", secret=Secret("hush"), nested={"a": [Secret("hush")]})

    assert "hush" not in capfd.readouterr().err


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_defect_is_logged_with_its_traceback(
    capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    logs.configure(log_format, "info")

    try:
        raise RuntimeError("our mistake")
    except RuntimeError as error:
        logs.RequestLog(at_once).defect("request failed", "4442587FB7D0A2F9", error)

    said = capfd.readouterr().err
    assert "4442587FB7D0A2F9" in said
    assert "RuntimeError: our mistake" in said
    assert "test_logs.py" in said


def test_trouble_is_logged_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "info")

    logs.RequestLog(at_once).trouble(
        "metadata unavailable", "4442587FB7D0A2F9", OSError("gone\naway")
    )

    assert capfd.readouterr().err.count("\n") == 1


def test_an_outage_is_not_logged_for_every_request(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure("json", "info")
    log = logs.RequestLog(at_once)

    for number in range(1000):
        log.outage("metadata unavailable", f"{number:016X}", OSError("away"))
    log.outage("no blobs can be written", "4442587FB7D0A2F9", OSError("full"))
    monkeypatch.setattr("server.logs.time.monotonic", lambda: time.time() + 1e9)
    log.outage("metadata unavailable", "4442587FB7D0A2F9", OSError("away again"))

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["error"], line.get("not_logged")) for line in lines] == [
        ("OSError: away", None),
        ("OSError: full", None),
        ("OSError: away again", 999),
    ]


def test_libraries_log_in_the_same_form(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")

    logging.getLogger("aiohttp.server").warning("odd %s", "client")
    logging.getLogger("aiohttp.server").info("chatter")

    line = json.loads(capfd.readouterr().err)
    assert (line["event"], line["logger"], line["level"]) == (
        "odd client",
        "aiohttp.server",
        "warning",
    )


def test_requests_that_are_answered_together_are_written_together_and_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No write exceeds what a pipe takes whole, so lines of other workers do not come between."""
    logs.configure("json", "info")
    written: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _, data: written.append(data))
    later: list[Callable[[], None]] = []
    log = logs.RequestLog(later.append)

    for number in range(100):
        log.request(**{**REQUEST, "key": f"{number}"})  # type: ignore[arg-type]
    (write,) = later
    write()

    assert 1 < len(written) < 20
    assert all(len(each) <= 4096 and each.endswith(b"\n") for each in written)
    lines = b"".join(written).splitlines()
    assert [json.loads(line)["key"] for line in lines] == [f"{number}" for number in range(100)]
