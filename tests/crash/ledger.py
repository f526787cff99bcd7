"""What clients know of their keys: what they asked for, and what they were answered.

A ledger is a file of its own, appended to and fsynced before the client goes on. Who judges reads
the file: what it says was known before anything died.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The value of a key that holds nothing.
NOTHING = "-"


@dataclass
class Entry:
    """What may be found under one key. None stands for "nothing is there"."""

    acknowledged: int | None = None
    under_way: set[int | None] = field(default_factory=set)  # asked for, and not answered
    answers: int = 0

    def allows(self, found: int | None) -> bool:
        return found == self.acknowledged or found in self.under_way

    @property
    def certain(self) -> bool:
        """Tell whether only one value is possible."""
        return not self.under_way - {self.acknowledged}


class Ledger:
    """Appends to the file; `entries` is what the file says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        os.close(self._file)

    def ask(self, key: str, number: int | None) -> None:
        """Note, before it is sent, what a client is about to ask for."""
        self._append("ask", key, number)

    def answered(self, key: str, number: int | None) -> None:
        """Note that it was acknowledged."""
        self._append("answered", key, number)

    def entries(self) -> Mapping[str, Entry]:
        """Return what the file says of every key that it names."""
        entries: dict[str, Entry] = {}
        for line in self._path.read_text().splitlines():
            word, key, value = line.split(" ")
            entry = entries.setdefault(key, Entry())
            number = None if value == NOTHING else int(value)
            if word == "ask":
                entry.under_way.add(number)
            else:
                # What was under way before was overtaken: a client does one thing after another.
                entry.acknowledged, entry.under_way = number, set()
                entry.answers += 1
        return entries

    def _append(self, word: str, key: str, number: int | None) -> None:
        value = NOTHING if number is None else str(number)
        os.write(self._file, f"{word} {key} {value}\n".encode())
        os.fdatasync(self._file)
