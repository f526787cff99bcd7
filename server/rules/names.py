"""Names of buckets and keys of objects: which ones S3 takes."""

import re
from functools import lru_cache
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.names import BucketName, ObjectKey
from server.rules.arguments import invalid_argument, printable
from server.rules.limits import MAX_KEY_BYTES

_LABELS: Final = re.compile(
    r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII
)
_IP_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_RESERVED_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def is_bucket_name(name: str) -> bool:
    """Tell whether a general purpose bucket can have this name.

    Source: S3 User Guide, "General purpose bucket naming rules".
    """
    return 3 <= len(name) <= 63 and _is_well_formed(name)


# Every request names a bucket, and mostly one of a few.
@lru_cache(maxsize=1024)
def _is_well_formed(name: str) -> bool:
    return (
        _LABELS.fullmatch(name) is not None
        and not _IP_ADDRESS.fullmatch(name)
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )


def check_bucket_name(name: str) -> BucketName:
    """Return the name, now known to be one. Raises S3Error InvalidBucketName (400)."""
    if not is_bucket_name(name):
        raise S3Error(ErrorCode.InvalidBucketName, BucketName=printable(name))
    return BucketName(name)


def parse_key(text: str) -> ObjectKey:
    """Return the key; any UTF-8 of 1 to 1,024 bytes is one, control characters too.

    text: decoded once from the path, an XML element or x-amz-copy-source.

    Raises S3Error KeyTooLongError (400); InvalidURI (400) for a key that would leave its bucket,
    like "../x" or "a/../../x"; InvalidArgument (400) for an empty key and for NUL, which
    PostgreSQL text cannot hold. Dot segments that stay inside the bucket are kept as they are.
    """
    if not text or "\0" in text:
        raise invalid_argument("The specified key is not valid.", "key", text)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise S3Error(ErrorCode.InvalidURI) from error
    if size > MAX_KEY_BYTES:
        raise S3Error(ErrorCode.KeyTooLongError, Size=str(size), MaxSizeAllowed=str(MAX_KEY_BYTES))
    if ".." in text and leaves_bucket(text):
        raise S3Error(ErrorCode.InvalidURI, URI=text)
    return ObjectKey(text)


def leaves_bucket(key: str) -> bool:
    """Tell whether ".." segments of the key climb above its first segment at any point.

    Empty and "." segments are no step down: S3 and file systems differ there, and a key that
    leaves under either reading is refused.
    """
    depth = 0
    for segment in key.split("/"):
        if segment == "..":
            depth -= 1
            if depth < 0:
                return True
        elif segment not in ("", "."):
            depth += 1
    return False
