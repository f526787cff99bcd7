"""A snapshot in an archive: a file a table, and a description that says what they hold.

DIRECTORY/snapshot.json      the description, see Description; written last
DIRECTORY/<table>.rows       rows in the text format of COPY; those of blob by digest
DIRECTORY/root-credentials   of the data directory, where there is one
DIRECTORY/unusable           see unusable.py; empty where the snapshot is whole
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from server.blobs.errors import ArchiveError
from server.blobs.files import disk_errors
from server.metadata.snapshot import TABLES, blob_in
from server.model.names import BlobDigest

DESCRIPTION: Final = "snapshot.json"
CREDENTIALS: Final = "root-credentials"
# The form of the description and of the files beside it. In 1 the description had no sum.
FORMAT: Final = 2
# Rows in one statement of a restore, which has a limit of time, and in memory at once; one row may
# be larger.
_PIECE_BYTES: Final = 1 << 20
_BUFFER_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class TableFile:
    """What the file of a table must hold.

    rows_sum: the sum of the SHA-256 of its lines, which says nothing of their order: a database
    may give its rows back in another one.
    """

    columns: Sequence[str]
    rows: int
    size: int  # bytes
    sha256: str
    rows_sum: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """What a snapshot lacks; nothing, where it is whole.

    objects: versions of keys that need one of the blobs; where those are more than MOST_COUNTED of
    unusable.py, at least so many.
    """

    blobs: int
    objects: int
    sha256: str  # of the list


@dataclass(frozen=True, slots=True)
class Description:
    """What a snapshot is."""

    format: int
    schema: int
    taken: str  # ISO 8601, UTC
    settings_revision: int
    sequences: Mapping[str, int]
    tables: Mapping[str, TableFile]
    blobs: int
    blob_bytes: int
    root_credentials: str | None  # the SHA-256 of the file
    unusable: Unusable

    def to_json(self) -> bytes:
        """Return the text of the file."""
        return sealed(asdict(self))


@dataclass(slots=True)
class RowsSeen:
    """Counts and hashes rows that pass by, in pieces of whole lines."""

    rows: int = 0
    size: int = 0
    _sum: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    def add(self, piece: bytes) -> None:
        """Take note of a piece."""
        # Not splitlines, which also knows a carriage return.
        lines = piece.split(b"\n")[:-1]
        for line in lines:
            self._sum += int.from_bytes(hashlib.sha256(line).digest(), "big")
        self.rows += len(lines)
        self.size += len(piece)
        self._sha256.update(piece)

    def as_table(self, columns: Sequence[str]) -> TableFile:
        """Return what was seen."""
        rows_sum = f"{self._sum % (1 << 256):064x}"
        return TableFile(columns, self.rows, self.size, self._sha256.hexdigest(), rows_sum)


def rows_file(directory: Path, table: str) -> Path:
    """Return the path of the rows of a table."""
    return directory / f"{table}.rows"


def sealed(said: Mapping[str, Any]) -> bytes:
    """Return the text of a description: what it says, and the sum of that."""
    text = {**said, "sha256": _sum_of(said)}
    return orjson.dumps(text, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_description(directory: Path) -> Description:
    """Return the description of a snapshot.

    Raises ArchiveError where it makes no sense, or is not what was written.
    """
    file = directory / DESCRIPTION
    try:
        said = orjson.loads(file.read_bytes())
        if said["format"] != FORMAT:
            raise ArchiveError(
                f"{directory} has format {said['format']}; this program reads {FORMAT}."
                " Restore it with the version of s3d that made it."
            )
        if said.pop("sha256", None) != _sum_of(said):
            raise ArchiveError(f"{file} says something else than was written")
        tables = {name: TableFile(**each) for name, each in said.pop("tables").items()}
        unusable = Unusable(**said.pop("unusable"))
        description = Description(tables=tables, unusable=unusable, **said)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"{file} cannot be used: {error}") from error
    if set(description.tables) != set(TABLES):
        raise ArchiveError(f"{directory} has other tables than this program knows")
    return description


def _sum_of(said: Mapping[str, Any]) -> str:
    # Of the values, not of the text: it has to have one spelling.
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def check_files(directory: Path, description: Description) -> None:
    """Raise ArchiveError unless every file holds what was written to it. Blocking."""
    for table in TABLES:
        check_rows(directory, description, table)
    if description.root_credentials is not None:
        credentials = directory / CREDENTIALS
        with disk_errors(f"read {credentials}"):
            found = hashlib.sha256(credentials.read_bytes()).hexdigest()
        if found != description.root_credentials:
            raise ArchiveError(f"{credentials} holds other bytes than were written")


def check_rows(directory: Path, description: Description, name: str) -> None:
    """Raise ArchiveError unless the file of that table holds what was written to it. Blocking."""
    table = description.tables[name]
    seen = RowsSeen()
    for piece in pieces_of(rows_file(directory, name)):
        seen.add(piece)
    if seen.as_table(table.columns) != table:
        raise ArchiveError(f"{rows_file(directory, name)} holds other rows than were written")


def pieces_of(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file in pieces of about a MiB. Blocking."""
    with disk_errors(f"read {file}"), file.open("rb") as opened:
        while lines := opened.readlines(_PIECE_BYTES):
            yield b"".join(lines)


def blobs_of(directory: Path, columns: Sequence[str]) -> Iterator[tuple[BlobDigest, int]]:
    """Yield digest and size of every blob that the snapshot names, by digest. Blocking.

    columns: of the table blob. Holds a row at a time: many snapshots are gone through together.
    """
    file = rows_file(directory, "blob")
    with disk_errors(f"read {file}"), file.open("rb", buffering=_BUFFER_BYTES) as rows:
        for row in rows:
            yield blob_in(row, columns)
