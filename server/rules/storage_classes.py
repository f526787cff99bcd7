"""Storage classes: which ones an upload may name."""

from collections.abc import Mapping
from typing import Final

from server.errors import ErrorCode, S3Error
from server.rules.arguments import header_not_implemented, printable

STANDARD: Final = "STANDARD"

_HEADER: Final = "x-amz-storage-class"
# Classes whose objects can be read at once; here they are labels, all bodies lie in one place.
_IMMEDIATE: Final = frozenset(
    {
        STANDARD,
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
    }
)
# Their objects must be restored before they are read.
_ARCHIVE: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def parse_storage_class(headers: Mapping[str, str]) -> str:
    """Return the storage class of an upload; STANDARD where it names none.

    Raises S3Error NotImplemented (501) for the archive classes, InvalidStorageClass (400) for
    all others, those of directory buckets, Outposts, Snow and FSx among them: a general purpose
    bucket has none of them.
    """
    name = headers.get(_HEADER, STANDARD)
    if name in _IMMEDIATE:
        return name
    if name in _ARCHIVE:
        raise header_not_implemented(
            _HEADER, "This server does not archive objects: RestoreObject is not implemented."
        )
    raise S3Error(ErrorCode.InvalidStorageClass, StorageClassRequested=printable(name))
