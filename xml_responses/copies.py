"""Documents of CopyObject and UploadPartCopy."""

from datetime import datetime

from xml_responses.checksums import Checksum, object_checksum_members, part_checksum_members
from xml_responses.document import add_members, new_document, quoted, to_bytes
from xml_responses.timestamps import timestamp


def copy_object_result(*, last_modified: datetime, etag: str, checksum: Checksum | None) -> bytes:
    """Return the body of CopyObject. etag: unquoted."""
    root = new_document("CopyObjectResult")
    add_members(
        root,
        {
            "LastModified": timestamp(last_modified),
            "ETag": quoted(etag),
            **object_checksum_members(checksum),
        },
    )
    return to_bytes(root)


def copy_part_result(
    *,
    last_modified: datetime,
    etag: str,
    checksum_algorithm: str | None,
    checksum: str | None,
) -> bytes:
    """Return the body of UploadPartCopy. etag: unquoted; checksum: base64."""
    root = new_document("CopyPartResult")
    add_members(
        root,
        {
            "LastModified": timestamp(last_modified),
            "ETag": quoted(etag),
            **part_checksum_members(checksum_algorithm, checksum),
        },
    )
    return to_bytes(root)
