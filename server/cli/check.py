"""s3d check: looks at both sides, rows and files, and names every broken invariant."""

import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from typing import Any, Final

import click
import orjson

from server.blobs.store import BlobStore
from server.cli.metadata import in_stores, printable
from server.cli.options import DATABASE, with_settings
from server.cli.output import print_line
from server.cli.progress import Progress
from server.config import Settings
from server.jobs.check import Check, Looked
from server.metadata.store import Metadata
from server.model.invariant import Finding, Invariant

# Cases of a broken invariant that a person is shown; --json shows all.
_EXAMPLES: Final = 5


class _Report:
    """Counts what is found, and prints or keeps a few examples of it."""

    def __init__(self, *, as_json: bool) -> None:
        self.looked: Looked | None = None  # None until the look has begun
        self.counts: Counter[Invariant] = Counter()
        self._examples: defaultdict[Invariant, list[Finding]] = defaultdict(list)
        self._as_json = as_json

    def add(self, finding: Finding) -> None:
        """Take one more finding; as JSON it is printed at once."""
        self.counts[finding.invariant] += 1
        if self._as_json:
            _print_json(_as_object(finding))
        elif len(self._examples[finding.invariant]) < _EXAMPLES:
            self._examples[finding.invariant].append(finding)

    def end(self, looked: Looked, *, is_complete: bool) -> None:
        """Print what a person is to know, or the last line of JSON."""
        if self._as_json:
            broken = self.counts.total()
            _print_json({"looked_at": asdict(looked), "broken": broken, "complete": is_complete})
            return
        for invariant in Invariant:
            if count := self.counts[invariant]:
                print_line(
                    f"{invariant.severity:6}  {invariant.rule:9}  {invariant.broken}: {count}"
                )
                for example in self._examples[invariant]:
                    print_line(
                        "        " + printable(f"{example.subject}  {example.detail}".rstrip())
                    )
                if count > _EXAMPLES:
                    print_line(f"        … and {count - _EXAMPLES} more; --json shows all")
        for line in _summary(looked):
            print_line(line)
        print_line(_verdict(self.counts, is_complete=is_complete))


@click.command()
@click.option("--read-data", is_flag=True, help="Read every byte and compare its checksums, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a finding a line.")
@with_settings(DATABASE | {"trash_grace_seconds"})
def check(settings: Settings, read_data: bool, as_json: bool) -> None:
    """Look at the metadata and at the blob directory, and name every broken invariant.

    Changes nothing. Works beside a running server and on a stopped one. What "must" hold loses or
    hides data when it is broken; what "should" is repairable, most of it by `s3d sweep`.

    The status is 0 only where everything holds, and 1 where anything is broken, or where the check
    had to break off: then it says what it has found so far.
    """
    report = _Report(as_json=as_json)

    async def look(metadata: Metadata, blobs: BlobStore) -> None:
        with Progress() as progress:
            looking = Check(
                metadata,
                blobs,
                found=report.add,
                progress=progress,
                now=time.time(),
                grace_seconds=settings.trash_grace_seconds,
            )
            report.looked = looking.looked
            await looking.run(read_data=read_data)

    is_complete = False
    try:
        in_stores(settings, look, takes_unsafe=True)
        is_complete = True
    finally:
        # Hours of looking are not thrown away because PostgreSQL went, or somebody pressed Ctrl-C.
        if report.looked is not None:
            report.end(report.looked, is_complete=is_complete)
    sys.exit(1 if report.counts else 0)


def _as_object(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.invariant.severity,
        "rule": finding.invariant.rule,
        "broken": finding.invariant.broken,
        "subject": finding.subject,
        "detail": finding.detail,
    }


def _print_json(values: dict[str, Any]) -> None:
    # A file name of another program need not be UTF-8.
    print_line(orjson.dumps(_encodable(values)).decode())


def _encodable(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if type(value) is str else value
        for name, value in values.items()
    }


def _summary(looked: Looked) -> list[str]:
    lines = [
        f"Looked at {_counted(looked.buckets, 'bucket')}, {_counted(looked.objects, 'object')},"
        f" {_counted(looked.uploads, 'upload')} in progress,"
        f" {_counted(looked.blobs, 'blob')} of {_counted(looked.blob_bytes, 'byte')}."
    ]
    if looked.bytes_read or looked.bodies_read:
        lines.append(f"Read {_counted(looked.bytes_read, 'byte')}.")
    if looked.scrub is not None and looked.blobs:
        oldest = "" if looked.scrub.oldest is None else f"; oldest look {looked.scrub.oldest:%F %T}"
        unseen = looked.scrub.never_seen
        seen = f"not seen {_counted(unseen, 'blob')} yet" if unseen else "seen every blob"
        lines.append(f"The scrub has {seen}{oldest}.")
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _verdict(counts: Counter[Invariant], *, is_complete: bool) -> str:
    must = sum(count for invariant, count in counts.items() if invariant.severity == "must")
    broken = f"Broken: {must} that must hold, {counts.total() - must} that should."
    if not is_complete:
        return f"The check broke off before its end. So far: {broken}"
    return broken if counts else "Everything holds."
