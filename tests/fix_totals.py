"""What a run of tests/crash has tried: counted by the tests, added up and printed at its end.

S3D_TEST_CRASH=full  the long run, which is `make crash`: it must reach what was promised, or it
                     fails. Otherwise the short form of each test runs.

Only tests that passed count. The counts travel with the reports, so that those of pytest-xdist's
processes arrive, too.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from tests.crash.faults import FAULTS as SEEDED

FULL = os.environ.get("S3D_TEST_CRASH") == "full"
# The lines of the table.
POINTS, ERRNOS, ORDERS = "crash points", "errnos", "write orders"
KILLS, CUTS, FAULTS = "kills", "power cuts", "seeded faults caught"
LINES = (POINTS, ERRNOS, ORDERS, KILLS, CUTS, FAULTS)
# What the long run promises. Of what is not named here there must be some.
PROMISED: Mapping[str, int] = {KILLS: 500, CUTS: 50, FAULTS: len(SEEDED)}
_NOT_RUN = "NOT RUN"

Count = Callable[..., None]


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Add to the totals: count(line, times=1, kind="")."""

    def add(line: str, times: int = 1, kind: str = "") -> None:
        record_property("crash", [line, kind, times])

    return add


def not_run(line: str, why: str) -> str:
    """Return the reason of a skip that the totals show in place of a number."""
    return f"{_NOT_RUN}: {line}: {why}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals, kinds, missing = _totals(terminalreporter)
    if not totals and not missing:
        return
    terminalreporter.section("crash totals")
    for line in LINES:
        shown = str(totals[line]) if totals[line] else missing.get(line, "0")
        promised = f" of {PROMISED[line]} promised" if FULL and line in PROMISED else ""
        terminalreporter.write_line(f"{line:<24}{shown}{promised}")
        for kind, times in sorted(kinds[line].items()):
            terminalreporter.write_line(f"    {kind:<36}{times:>5}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_worker = hasattr(session.config, "workerinput")
    if not FULL or is_worker or reporter is None or session.config.option.collectonly:
        return
    totals, _, missing = _totals(reporter)
    short = [line for line in LINES if totals[line] < PROMISED.get(line, 1) and line not in missing]
    if short and session.exitstatus == 0:
        reporter.write_line(f"\nless than promised: {', '.join(short)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _totals(
    reporter: pytest.TerminalReporter,
) -> tuple[Counter[str], Mapping[str, Counter[str]], Mapping[str, str]]:
    """Return the total of each line, its kinds, and why a line was not run."""
    totals: Counter[str] = Counter()
    kinds: Mapping[str, Counter[str]] = {line: Counter() for line in LINES}
    for report in reporter.stats.get("passed", []):
        # The others, of setup and teardown, repeat what the call has.
        if report.when == "call":
            for name, value in report.user_properties:
                if name == "crash":
                    line, kind, times = value
                    totals[line] += times
                    kinds[line].update({kind: times} if kind else {})
    return totals, kinds, dict(_not_run(reporter))


def _not_run(reporter: pytest.TerminalReporter) -> list[tuple[str, str]]:
    reasons = [str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])]
    found = [each.partition(f"{_NOT_RUN}: ")[2] for each in reasons if f"{_NOT_RUN}: " in each]
    return [
        (line, f"{_NOT_RUN}: {why}") for line, _, why in (each.partition(": ") for each in found)
    ]
