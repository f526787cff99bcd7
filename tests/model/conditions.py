"""Conditions on reads, writes and deletes, and the ranges of reads, the simple way."""

from dataclasses import dataclass

from tests.model.operation import Seen, refused
from tests.model.world import Object

# Stands for the ETag of what the key holds when the request is made.
CURRENT = "CURRENT"


@dataclass(frozen=True)
class Condition:
    """A header and the ETag that it names."""

    header: str  # "If-Match" or "If-None-Match"
    etag: str

    def __repr__(self) -> str:
        return f"{self.header}: {self.etag}"

    @property
    def headers(self) -> dict[str, str]:
        return {self.header: self.etag if self.etag == "*" else f'"{self.etag}"'}

    def resolved(self, held: Object | None) -> "Condition":
        if self.etag != CURRENT:
            return self
        return Condition(self.header, held.etag if held else "0" * 32)


def write_refusal(condition: Condition | None, held: Object | None) -> Seen | None:
    """Return how S3 refuses to write or delete the key; None where it does not."""
    if condition is None:
        return None
    if condition.header == "If-None-Match":
        return refused(412, "PreconditionFailed") if held else None
    if held is None:
        return refused(404, "NoSuchKey")
    return None if held.etag == condition.etag else refused(412, "PreconditionFailed")


def read_refusal(condition: Condition | None, held: Object) -> Seen | None:
    """Return how S3 refuses to read the key; None where it does not."""
    if condition is None:
        return None
    matches = held.etag == condition.etag
    if condition.header == "If-None-Match":
        return (304, None) if matches else None
    return None if matches else refused(412, "PreconditionFailed")


def selected(data: bytes, byte_range: str) -> tuple[int, int] | None:
    """Return the first byte and the end of a range like "0-9", "5-" or "-3"; None of no byte."""
    first_text, _, last_text = byte_range.partition("-")
    if not first_text:
        first, end = max(len(data) - int(last_text), 0), len(data)
    else:
        first = int(first_text)
        end = min(int(last_text) + 1, len(data)) if last_text else len(data)
    return (first, end) if first < end else None
