"""Measure this server, moto's, and the limits of the machine in one run: `make bench`.

Writes docs/performance.md, and every figure to docs/performance.json. The server runs with two
workers and else default settings. Needs wrk, nginx and the group `bench` of pyproject.toml.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

import growth  # noqa: E402 - the server is imported from the checkout
import large  # noqa: E402
import limits  # noqa: E402
import report  # noqa: E402
import s3bench  # noqa: E402
from servers import moto, s3d  # noqa: E402

STEPS = (
    *("cases", "limits", "large uploads", "large metadata"),
    *("inline limits", "body sizes", "connections", "workers", "bucket sizes"),
)
# What the figures depend on.
_MEASURED = ("server", "sigv4", "xml_responses", "schema.sql", "pyproject.toml", "bench")
RESULTS = PROJECT / "docs" / "performance.json"
PAGE = PROJECT / "docs" / "performance.md"


def main() -> None:
    """Measure what is asked for, keep the figures of what is not, and write both files."""
    asked = _arguments()
    _refuse_without_programs()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    steps: dict[str, Callable[[], Any]] = {
        "cases": lambda: {
            **(results.get("cases", {}) if asked.case else {}),
            **cases(seconds=asked.seconds, rounds=asked.rounds, only=asked.case),
        },
        "limits": lambda: limits.measure(seconds=asked.seconds, rounds=asked.rounds),
        "large uploads": lambda: large.measure(seconds=asked.seconds, rounds=asked.rounds),
        "large metadata": growth.large_metadata,
        "inline limits": lambda: growth.inline_limits(seconds=asked.seconds),
        "body sizes": lambda: growth.body_sizes(seconds=asked.seconds),
        "connections": lambda: growth.connections(seconds=asked.seconds),
        "workers": lambda: growth.workers(seconds=asked.seconds),
        "bucket sizes": lambda: growth.bucket_sizes(
            seconds=asked.seconds, largest=asked.largest_bucket
        ),
    }
    results.setdefault("measured", {})
    for name in asked.only or steps:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        results[name] = steps[name]()
        for part in (asked.case or s3bench.CASES) if name == "cases" else [name]:
            results["measured"][part] = when()
    results["machine"] = machine()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(report.page(results, PAGE.read_text() if PAGE.exists() else ""))
    sys.stdout.write(report.reaches(results) + "\n")


def cases(*, seconds: float, rounds: int, only: list[str] | None) -> dict[str, Any]:
    """Return the median figures of every case of s3bench.py: case → server → figures.

    And of the limit that a case is compared with: case → "limit" → "figure".
    """
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="s3d-bench-") as directory:
        work = Path(directory)
        # PostgreSQL's own user passes through, where this runs as root.
        work.chmod(0o711)
        with moto(work) as peer, s3d(work) as ours, limits.beside(work) as limit_of:
            seeded: dict[tuple[str, str], list[str]] = {}
            for target in (peer, ours):
                target.call("PUT", f"/{s3bench.BUCKET}")
            for case in only or s3bench.CASES:
                runs: dict[str, list[dict[str, float]]] = {}
                for number in range(rounds):
                    run_id = f"{os.getpid()}-{number}"
                    turns: list[tuple[str, Callable[[], dict[str, float]]]] = [
                        (
                            each.name,
                            partial(
                                s3bench.run_case, each, case, directory, seconds, run_id, seeded
                            ),
                        )
                        for each in (peer, ours)
                    ]
                    if case in limits.NAMES:
                        turns.append(("limit", partial(limit_of, case, seconds)))
                    # What one leaves to be done in the background meets each of the others.
                    for name, once in turns[:: -1 if number % 2 else 1]:
                        runs.setdefault(name, []).append(once())
                found[case] = {server: _median(each) for server, each in runs.items()}
                sys.stdout.write(f"{case:15s} {found[case]}\n")
                sys.stdout.flush()
    return found


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {
        figure: sum(run["bad"] for run in runs)
        if figure == "bad"
        else statistics.median(run[figure] for run in runs)
        for figure in runs[0]
    }


def machine() -> dict[str, str]:
    """Return what the figures were measured on, and when."""
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def when() -> str:
    """Return the day and the commit of what is measured now; "-dirty" where files were changed."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    is_dirty = _git("status", "--porcelain", "--", *_MEASURED)
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}{'-dirty' if is_dirty else ''}"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.strip()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=STEPS,
        help="measure this alone and keep the other figures; may be given more than once",
    )
    parser.add_argument(
        "--case", action="append", choices=list(s3bench.CASES), help="of the cases, these alone"
    )
    parser.add_argument("--seconds", type=int, default=5, help="of one run (5)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (3)")
    parser.add_argument("--largest-bucket", type=int, default=5_000_000, help="keys (5000000)")
    return parser.parse_args()


def _refuse_without_programs() -> None:
    for program, package in (("wrk", "wrk"), ("nginx", "nginx-light")):
        if shutil.which(program) is None:
            sys.exit(f"bench: {program} is not installed: apt-get install {package}")
    if not (Path(sys.executable).parent / "moto_server").exists():
        sys.exit("bench: moto's server is not installed: make bench installs it")


if __name__ == "__main__":
    main()
