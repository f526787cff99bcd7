"""Version ids of a bucket whose versioning was never set: every object has the version "null".

Source: S3 User Guide, "Using versioning in S3 buckets".
"""

from server.errors import ErrorCode, S3Error
from server.model.names import NULL_VERSION, ObjectKey
from server.rules.arguments import invalid_argument


def names_null_version(version_id: str | None) -> bool:
    """Tell whether the version that is asked for is the one a key of such a bucket can hold.

    version_id: as the request named it; None where it names none.

    Raises S3Error InvalidArgument (400) for an empty one.
    """
    if version_id == "":
        raise invalid_argument("Version id cannot be the empty string", "versionId", "")
    return version_id is None or version_id == NULL_VERSION


def no_such_version(key: ObjectKey, version_id: str) -> S3Error:
    """Return NoSuchVersion (404) with the key and the id."""
    return S3Error(ErrorCode.NoSuchVersion, Key=key, VersionId=version_id)
