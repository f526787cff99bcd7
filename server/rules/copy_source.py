"""What a copy copies: x-amz-copy-source, and what becomes of the metadata and the tags.

Source: S3 API reference, CopyObject; answers of S3 recorded in 2025 and 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from server.errors import ErrorCode, S3Error
from server.model.names import BucketName, ObjectKey, VersionId
from server.rules.arguments import header_not_implemented, invalid_argument
from server.rules.names import is_bucket_name, leaves_bucket, parse_key

_HEADER: Final = "x-amz-copy-source"
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DIRECTIVES: Final = (
    ("x-amz-metadata-directive", ("COPY", "REPLACE"), "Unknown metadata directive."),
    ("x-amz-tagging-directive", ("COPY", "REPLACE"), "Unknown tagging directive."),
    ("x-amz-object-annotation-directive", ("COPY", "EXCLUDE"), "Unknown annotation directive."),
)


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object that a copy reads."""

    bucket: BucketName
    key: ObjectKey
    version_id: VersionId | None  # None: the current version


def parse_copy_source(header: str) -> CopySource:
    """Return the source that x-amz-copy-source names.

    header: "bucket/key" or "/bucket/key", percent-encoded, maybe with "?versionId=…" behind it.
            "+" is a space, as S3 decodes it; s5cmd encodes spaces so.

    Raises S3Error InvalidArgument (400) where it names no object, KeyTooLongError (400) for a key
    beyond 1,024 bytes, NotImplemented (501) for an access point's ARN.
    """
    path, question, version = header.partition("?versionId=")
    if question and not version:
        raise invalid_argument("Version id cannot be the empty string", _HEADER, "")
    decoded = _decode(path, header).removeprefix("/")
    if decoded.startswith("arn:"):
        raise header_not_implemented(_HEADER, "This server does not have access points.")
    bucket, slash, key = decoded.partition("/")
    if not slash or not key:
        raise invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            _HEADER,
            header,
        )
    if not is_bucket_name(bucket):
        raise invalid_argument("Invalid copy source bucket name", _HEADER, header)
    if "\0" in key or leaves_bucket(key):
        raise invalid_argument("Invalid copy source object key", _HEADER, header)
    return CopySource(
        BucketName(bucket),
        parse_key(key),
        VersionId(_decode(version, header)) if question else None,
    )


def replaces_metadata(headers: Mapping[str, str]) -> bool:
    """Tell whether the copy takes its metadata from the request instead of from the source.

    Raises S3Error InvalidArgument (400) for a directive that S3 does not know.
    """
    _check_directives(headers)
    return headers.get("x-amz-metadata-directive") == "REPLACE"


def replaces_tags(headers: Mapping[str, str]) -> bool:
    """Tell whether the copy takes its tags from the request, which may name none.

    Raises S3Error InvalidArgument (400) for a directive that S3 does not know.
    """
    _check_directives(headers)
    return headers.get("x-amz-tagging-directive") == "REPLACE"


def check_copy_changes_something(
    source: CopySource, bucket: BucketName, key: ObjectKey, headers: Mapping[str, str]
) -> None:
    """Raise S3Error InvalidRequest (400) for a copy of an object onto itself that changes nothing.

    headers: of the CopyObject request.
    """
    if (source.bucket, source.key, source.version_id) != (bucket, key, None):
        return
    if replaces_metadata(headers) or not headers.keys().isdisjoint(
        ("x-amz-storage-class", "x-amz-website-redirect-location")
    ):
        return
    raise S3Error(
        ErrorCode.InvalidRequest,
        "This copy request is illegal because it is trying to copy an object to itself without"
        " changing the object's metadata, storage class, website redirect location or encryption"
        " attributes.",
    )


def _check_directives(headers: Mapping[str, str]) -> None:
    # Objects have no annotations here: what the third directive says of them holds in any case.
    for name, known, message in _DIRECTIVES:
        if name in headers and headers[name] not in known:
            raise invalid_argument(message, name, headers[name])


def _decode(text: str, header: str) -> str:
    if not _STRAY_PERCENT.search(text):
        try:
            # Bytes that came raw stand in the header as surrogate escapes.
            raw = text.replace("+", " ").encode("utf-8", "surrogateescape")
            return unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            pass
    raise invalid_argument("Invalid copy source encoding", _HEADER, header)
