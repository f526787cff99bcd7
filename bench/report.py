"""docs/performance.md: the figures as tables, between words that people wrote and that are kept."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import limits

# What is written anew stands between these two lines; the rest of the page stays.
BEGIN = "<!-- written by make bench: changes here are lost -->"
END = "<!-- end of what make bench writes -->"

Results = Mapping[str, Any]


class Reach(NamedTuple):
    """What is promised of a case, and what was measured."""

    case: str
    promise: str
    wanted: float
    got: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.got <= self.wanted if self.at_most else self.got >= self.wanted


def page(results: Results, before: str) -> str:
    """Return the text of the page; before: what it was."""
    head, _, rest = before.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head or _HEAD}{BEGIN}\n\n{tables(results)}\n{END}{tail}"


_HEAD = "# Performance\n\n"


def tables(results: Results) -> str:
    """Return all tables."""
    machine = results["machine"]
    parts = [
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory']},"
        f" Linux {machine['kernel']}, Python {machine['python']}. wrk, the server and PostgreSQL"
        f" share the cores.\n\n{_measured(results['measured'])}"
    ]
    if "cases" in results:
        parts.append("## The cases beside moto\n\n" + _cases(results["cases"]))
    figures = {**results.get("limits", {}), **results.get("large uploads", {})}
    rows = [[name, f"{figure:,.2f}"] for name, figure in figures.items()]
    rows += [
        [f"{limits.NAMES[case]}, between the runs of {case}", f"{figure:,.2f}"]
        for case, figure in _limits(results.get("cases", {})).items()
    ]
    if rows:
        parts.append("## The limits of the machine\n\n" + _table(["limit", "figure"], rows))
    if "cases" in results:
        parts.append("## What is promised\n\n" + reaches(results))
    for name, title in _GROWTH.items():
        if name in results:
            rows = results[name]
            parts.append(
                f"## {title}\n\n"
                + _table(list(rows[0]), [[_shown(v) for v in row.values()] for row in rows])
            )
    return "\n".join(parts)


def _measured(when: Mapping[str, str]) -> str:
    """Return which figures are of which day and commit, those of most first."""
    days: dict[str, list[str]] = {}
    for part, day in when.items():
        days.setdefault(day, []).append(part)
    most, *others = sorted(days, key=lambda day: -len(days[day]))
    lines = [f"Measured on {most}", *(f"{', '.join(days[day])}: on {day}" for day in others)]
    return "; ".join(lines) + ".\n"


_GROWTH = {
    "bucket sizes": "Listing, by the keys of the bucket",
    "connections": "Small objects, by connections",
    "workers": "Small objects, by workers (32 connections)",
    "body sizes": "Throughput, by the size of bodies (16 connections, default settings)",
    "inline limits": "Bodies in rows and bodies in files (16 connections)",
}


def reaches(results: Results) -> str:
    """Return the table of promises, each with what was measured and whether it is met."""
    if "cases" not in results:
        return ""
    rows = [
        [
            each.case,
            each.promise,
            f"{each.wanted:.2f}",
            f"{each.got:.2f}",
            _verdict(each, results["cases"]),
        ]
        for each in _reaches(results)
    ]
    rows += [
        [case, promise, f"{wanted:.2f}", "", "not measured"]
        for case, (promise, _, wanted) in _OF_THE_LIMIT.items()
        if case not in _limits(results["cases"])
    ]
    return _table(["case", "promise", "wanted", "measured", "met"], rows)


def _verdict(reach: Reach, cases: Mapping[str, Any]) -> str:
    """Return whether it is met: answers that are no success may be fast."""
    if any(figures.get("bad") for figures in cases.get(reach.case, {}).values()):
        return "no: bad answers"
    return "yes" if reach.is_met else f"no: {reach.got / reach.wanted:.0%}"


def _reaches(results: Results) -> Sequence[Reach]:
    cases = results["cases"]
    found = [
        Reach(case, "times moto", times, _ratio(cases[case]))
        for case, times in _TIMES_MOTO.items()
        if case in cases
    ]
    found += [
        Reach(case, promise, wanted, float(cases[case]["s3d"][figure]) / limit, figure == "p50ms")
        for case, limit in _limits(cases).items()
        for promise, figure, wanted in [_OF_THE_LIMIT[case]]
    ]
    found += _dips(cases, "put") + _dips(cases, "get")
    found += _large_metadata(results.get("large metadata", {}))
    return found + _same_page(results.get("bucket sizes", []))


_TIMES_MOTO = {"put-4k": 15, "get-4k": 20, "list-1000": 30, "list-delimiter": 30, "delete": 15}

# case → what is promised of its limit, by which figure. 1.5 ms and 0.8 ms at the median, where a
# bare answer takes 0.1 ms: 15 and 8 bare answers.
_OF_THE_LIMIT = {
    "put-4k": ("of the group-commit limit", "rps", 0.5),
    "get-4k": ("of a bare aiohttp answer", "rps", 0.35),
    "put-4k-c1": ("bare answers at the median", "p50ms", 15),
    "get-4k-c1": ("bare answers at the median", "p50ms", 8),
    "put-64m": ("of MD5 in two threads", "MBps", 0.8),
    "get-64m": ("of nginx", "MBps", 1.0),
}


def _limits(cases: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the figure of each limit that was measured between the runs of its case."""
    return {
        case: float(servers["limit"]["figure"])
        for case, servers in cases.items()
        if "limit" in servers
    }


def _ratio(servers: Mapping[str, Any]) -> float:
    peer = float(servers["moto"]["rps"])
    return float(servers["s3d"]["rps"]) / peer if peer else float("inf")


def _dips(cases: Mapping[str, Any], way: str) -> list[Reach]:
    """Return whether more bytes a second are moved with each larger size."""
    sizes = [f"{way}-{size}" for size in ("4k", "64k", "1m")]
    if not all(each in cases for each in sizes):
        return []
    return [
        Reach(
            f"{larger}",
            f"times the MB/s of {smaller}",
            1.0,
            _mbps(cases, larger) / _mbps(cases, smaller),
        )
        for smaller, larger in pairwise(sizes)
    ]


def _mbps(cases: Mapping[str, Any], case: str) -> float:
    return float(cases[case]["s3d"]["MBps"])


def _large_metadata(found: Mapping[str, float]) -> list[Reach]:
    wanted = {"Complete of 10,000 parts, s": 2.0, "copy of 5 GiB, s": 0.02}
    return [
        Reach(name.removesuffix(", s"), "seconds", wanted[name], figure, at_most=True)
        for name, figure in found.items()
    ]


def _same_page(found: Sequence[Mapping[str, float]]) -> list[Reach]:
    if len(found) < 2:
        return []
    return [
        Reach(
            f"{case}, {found[-1]['keys']:,} keys",
            f"times the page of {found[0]['keys']:,}",
            1.5,
            found[-1][f"{case} p50 ms"] / found[0][f"{case} p50 ms"],
            at_most=True,
        )
        for case in ("list-1000", "list-delimiter")
    ]


def _cases(cases: Mapping[str, Any]) -> str:
    rows = []
    for case, servers in cases.items():
        ours, peer = servers["s3d"], servers["moto"]
        rows.append(
            [
                case,
                f"{ours['rps']:,.0f}",
                f"{ours['MBps']:,.0f}",
                f"{ours['p50ms']:.2f}",
                f"{ours['p99ms']:.1f}",
                f"{peer['rps']:,.0f}",
                f"{_ratio(servers):.1f}",
                f"{ours['bad']:.0f}",
                f"{peer['bad']:.0f}",
            ]
        )
    heads = [
        *("case", "requests/s", "MB/s", "p50 ms", "p99 ms", "moto's requests/s", "ratio"),
        *("bad", "moto's bad"),
    ]
    return _table(heads, rows)


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if float(figure).is_integer() or figure >= 1000 else f"{figure:,.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
