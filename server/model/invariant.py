"""What must hold between the rows of the metadata and the files of the blob directory."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import Literal

Severity = Literal["must", "should"]


@unique
class Invariant(Enum):
    """The value: the rule, its severity, and the name by which a broken one is called.

    rule: of ARCHITECTURE.md, "The write order, and what enforces each invariant"; "rows" where it
        is about metadata that contradict themselves.
    severity: breaking a "must" loses or hides data; breaking a "should" is repairable.
    """

    BlobWithoutFile = "D1", "must", "blob without its file"
    NamedWithoutBlob = "D1", "must", "named blob without its row"
    ObjectWithoutParts = "D1", "must", "object without its parts"
    PartWithoutBytes = "D1", "must", "part without its bytes"
    SliceBeyondBlob = "D1", "must", "slice beyond its blob"
    CommitsMayBeLost = "D2", "must", "PostgreSQL that may lose commits"
    MisplacedPart = "rows", "must", "part at another place"
    MisplacedSlice = "rows", "must", "slice at another place"
    ObjectOfAnotherSize = "rows", "must", "object of another size than its body"
    ObjectInNoBucket = "rows", "must", "object in no bucket"
    UnreadableRows = "rows", "must", "rows that PostgreSQL cannot read"
    IndexWithoutRows = "rows", "must", "index that misses rows"
    NamedAlthoughTrashed = "D3", "must", "named although trashed"
    TwoCurrentVersions = "D5", "must", "two current versions of a key"
    LivingBlobInTrash = "D7", "should", "living blob in the trash"
    FileWithoutRow = "D8", "should", "file that no row names"
    TempFileWithoutProcess = "D8", "should", "temporary file without its process"
    NamedByNothing = "D8", "should", "nothing names it and nobody will look"
    ReleasedAndForgotten = "D8", "should", "released and not looked at for a day"
    TriggerOff = "D8", "should", "trigger that is missing or off"
    FileOfAnotherSize = "D9", "must", "file of another size"
    BlockCrcsOfAnotherLength = "D9", "must", "block checksums of the wrong length"
    RottenBlob = "D9", "must", "rotten blob"
    RottenRow = "D9", "must", "rotten body in its row"
    UnreadableFiles = "directory", "must", "files that the system cannot read"
    MissingDirectory = "directory", "should", "missing directory"
    ForeignFile = "directory", "should", "foreign file"

    @property
    def rule(self) -> str:
        """Return the rule that it belongs to, e.g. "D1"."""
        return self.value[0]

    @property
    def severity(self) -> Severity:
        """Return whether breaking it loses data, or is repairable."""
        return "must" if self.value[1] == "must" else "should"

    @property
    def broken(self) -> str:
        """Return what a broken one is called."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Finding:
    """One case of a broken invariant.

    subject: what breaks it: a digest, BUCKET/KEY, MANIFEST/PART, a path.
    detail: in words; "" where the name of the invariant says it all.
    """

    invariant: Invariant
    subject: str
    detail: str = ""
