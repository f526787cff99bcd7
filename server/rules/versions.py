"""Version ids of a bucket whose versioning was never set: every object has the version "null".

Source: S3 User Guide, "Using versioning in S3 buckets".
"""

import re
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.names import NULL_VERSION, ObjectKey
from server.rules.arguments import invalid_argument

# S3: URL-ready, and no more than 1,024 bytes. Answers repeat it in a header.
_VERSION_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,1024}", re.ASCII)


def names_null_version(version_id: str | None) -> bool:
    """Tell whether the version that is asked for is the one a key of such a bucket can hold.

    version_id: as the request named it; None where it names none.

    Raises S3Error InvalidArgument (400) for an empty one, and for one that no version can have.
    """
    if version_id == "":
        raise invalid_argument("Version id cannot be the empty string", "versionId", "")
    if version_id is not None and not _VERSION_ID.fullmatch(version_id):
        raise invalid_argument("Invalid version id specified", "versionId", version_id)
    return version_id is None or version_id == NULL_VERSION


def no_such_version(key: ObjectKey, version_id: str) -> S3Error:
    """Return NoSuchVersion (404) with the key and the id."""
    return S3Error(ErrorCode.NoSuchVersion, Key=key, VersionId=version_id)
