"""Headers that ask for what this server does not have yet.

They are refused, never dropped: an object that its owner believes encrypted, locked or shared must
be so. A feature that comes to the server takes its row out of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from server.rules.arguments import header_not_implemented, invalid_argument


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why a header is refused, and the values that ask for nothing the server lacks."""

    reason: str
    harmless: frozenset[str] = frozenset()


_FALSE: Final = frozenset({"false", "False", "FALSE"})
_CANNED_ACLS: Final = frozenset(
    {
        *("private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"),
        *("bucket-owner-read", "bucket-owner-full-control", "log-delivery-write"),
    }
)

UNSUPPORTED: Final[Mapping[str, Unsupported]] = {
    # Owner and bucket owner are one account and hold full control: these three change nothing.
    "x-amz-acl": Unsupported(
        "This server does not have access control lists.",
        frozenset({"private", "bucket-owner-read", "bucket-owner-full-control"}),
    ),
    "x-amz-bucket-namespace": Unsupported(
        "This server does not have account regional namespaces.", frozenset({"global"})
    ),
    "x-amz-bucket-object-lock-enabled": Unsupported(
        "This server does not have Object Lock.", _FALSE
    ),
    "x-amz-mfa": Unsupported("This server does not have multi-factor authentication."),
    "x-amz-object-ownership": Unsupported(
        "This server does not have ownership controls.", frozenset({"BucketOwnerEnforced"})
    ),
    "x-amz-write-offset-bytes": Unsupported("This server does not append to objects."),
}
# Whole families, by how their names begin.
UNSUPPORTED_FAMILIES: Final[Mapping[str, Unsupported]] = {
    "x-amz-copy-source-server-side-encryption": Unsupported(
        "This server does not encrypt with customer keys."
    ),
    "x-amz-grant-": Unsupported("This server does not have access control lists."),
    "x-amz-object-lock-": Unsupported("This server does not have Object Lock."),
    "x-amz-server-side-encryption": Unsupported("This server does not encrypt objects.", _FALSE),
}
_FAMILY_NAMES: Final = tuple(UNSUPPORTED_FAMILIES)


def refuse_unsupported_headers(headers: Mapping[str, str]) -> None:
    """Return where every header can be honoured.

    Raises S3Error NotImplemented (501) naming the header and the reason; InvalidArgument (400)
    for a canned ACL that S3 does not have, and for a bypass of retention, which S3 refuses where
    the bucket has no Object Lock.
    """
    for name, value in headers.items():
        if not name.startswith("x-amz-"):
            continue
        if name == "x-amz-bypass-governance-retention":
            raise invalid_argument(
                f"{name} is only applicable to Object Lock enabled buckets.", name
            )
        if name == "x-amz-acl" and value not in _CANNED_ACLS:
            raise invalid_argument("The canned ACL is not valid.", name, value)
        unsupported = _row(name)
        if unsupported is not None and value not in unsupported.harmless:
            raise header_not_implemented(name, unsupported.reason)


def _row(name: str) -> Unsupported | None:
    if name.startswith(_FAMILY_NAMES):
        return next(row for start, row in UNSUPPORTED_FAMILIES.items() if name.startswith(start))
    return UNSUPPORTED.get(name)
