"""The body and the document of DeleteObjects."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from xml_responses.document import add_row, new_document, to_bytes
from xml_responses.errors import MalformedXML
from xml_responses.request_body import boolean, etag, integer, parse, stripped, texts
from xml_responses.timestamps import parse_timestamp

MAX_DELETES: Final = 1_000
# Six elements an object as S3 knows it, and room for those that are ignored.
_MAX_ELEMENTS: Final = 20 * MAX_DELETES
_OBJECT: Final = frozenset({"Key", "VersionId", "ETag", "LastModifiedTime", "Size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectIdentifier:
    """One object to delete, and the conditions on it; None where there is no such condition."""

    key: str
    version_id: str | None
    etag: str | None  # unquoted; "*" is any object; "" can match nothing
    last_modified_time: datetime | None  # UTC, whole seconds
    size: int | None  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """The body of DeleteObjects."""

    quiet: bool  # the answer lists failures alone
    objects: tuple[ObjectIdentifier, ...]  # 1 to MAX_DELETES, in the order of the body


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """An object that is gone, or was not there."""

    key: str
    version_id: str | None = None  # as the request named it
    # Of the marker that was made, or that was deleted; None where no delete marker took part.
    delete_marker_version_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDeleted:
    """An object that was not deleted, and why."""

    key: str
    version_id: str | None = None
    code: str
    message: str


def delete_result(*, deleted: Iterable[Deleted], errors: Iterable[NotDeleted]) -> bytes:
    """Return the body of DeleteObjects."""
    root = new_document("DeleteResult")
    for gone in deleted:
        members = {"Key": gone.key, **_version_member(gone.version_id)}
        if gone.delete_marker_version_id is not None:
            members["DeleteMarker"] = "true"
            members["DeleteMarkerVersionId"] = gone.delete_marker_version_id
        add_row(root, "Deleted", members)
    for error in errors:
        add_row(
            root,
            "Error",
            {
                "Key": error.key,
                **_version_member(error.version_id),
                "Code": error.code,
                "Message": error.message,
            },
        )
    return to_bytes(root)


def parse_delete(body: bytes) -> Delete:
    """Return what the body of DeleteObjects asks for.

    Raises MalformedXML; as S3 does also for no object, for more than MAX_DELETES, and for an
    object without a key.
    """
    root = parse(body, "Delete", max_elements=_MAX_ELEMENTS)
    elements = root.findall("Object")
    if not 1 <= len(elements) <= MAX_DELETES:
        raise MalformedXML(f"a Delete names 1 to {MAX_DELETES} objects")
    quiet = texts(root, ("Quiet",)).get("Quiet")
    return Delete(
        quiet=False if quiet is None else boolean(quiet),
        objects=tuple(_parse_object(element) for element in elements),
    )


def _parse_object(element: Element) -> ObjectIdentifier:
    found = texts(element, _OBJECT)
    key = found.get("Key")
    if not key:
        raise MalformedXML("an Object lacks its Key")
    last_modified_time = found.get("LastModifiedTime")
    size = found.get("Size")
    return ObjectIdentifier(
        key=key,
        # Go clients without "omitempty" send an empty VersionId for none.
        version_id=stripped(found.get("VersionId", "")) or None,
        etag=etag(found["ETag"]) if "ETag" in found else None,
        last_modified_time=(
            None if last_modified_time is None else parse_timestamp(stripped(last_modified_time))
        ),
        size=None if size is None else integer(size),
    )


def _version_member(version_id: str | None) -> dict[str, str]:
    return {} if version_id is None else {"VersionId": version_id}
