"""Every document we write reads back equal through the parser of botocore's clients.

Characters that XML forbids come in with encoding-type=url alone: expat, and so botocore, refuses
"&#x1;", whoever writes it. tests/xml_responses says how they are written without it.
"""

import inspect
import re
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.handlers import decode_list_object, decode_list_object_v2, parse_get_bucket_location
from botocore.model import ListShape, Shape, StructureShape
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.documents import DOCUMENTS, KEYS, Document
from tests.conformance.full_documents import FULL
from tests.fix_botocore import s3_service_model
from xml_responses import (
    buckets,
    copies,
    deletes,
    error_document,
    listings,
    multipart,
    object_attributes,
    tagging,
)

pytestmark = pytest.mark.conformance

MODEL = s3_service_model()
PARSER = create_parser("rest-xml")
MODULES = [
    *(buckets, copies, deletes, error_document),
    *(listings, multipart, object_attributes, tagging),
]
BY_OPERATION = {document.operation: document for document in DOCUMENTS}
SAMPLES = settings(deadline=None)
EVERY_DOCUMENT = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[document.operation for document in DOCUMENTS]
)

# Members that botocore reads and no document of ours has. A new botocore that knows one more fails
# here until somebody decides.
RESTORE_STATUS = {
    "Contents.RestoreStatus.IsRestoreInProgress",
    "Contents.RestoreStatus.RestoreExpiryDate",
}
NOT_WRITTEN = {
    "ListBuckets": {"Buckets.BucketArn"},  # S3 has it for directory buckets alone
    "ListObjects": RESTORE_STATUS,  # no object is ever archived
    "ListObjectsV2": RESTORE_STATUS,
    "ListMultipartUploads": {"Uploads.VersionId"},  # no bucket has versions
}
# A document holds the value of one algorithm, and each is written alike.
CHECKSUM_VALUE = re.compile(r"\bChecksum(CRC|MD5|SHA|XXHASH)\w*$")


def parse(operation: str, body: bytes) -> dict[str, Any]:
    """Return what botocore's client returns, keys of listings decoded as it decodes them."""
    response = {"status_code": 200, "headers": {}, "body": body}
    shape = MODEL.operation_model(operation).output_shape
    assert shape is not None
    parsed: dict[str, Any] = PARSER.parse(response, shape)
    del parsed["ResponseMetadata"]
    context = {"encoding_type_auto_set": True}
    match operation:
        case "ListObjects":
            decode_list_object(parsed, context)
        case "ListObjectsV2":
            decode_list_object_v2(parsed, context)
        case _:
            pass
    return parsed


def members_of(document: Document) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(document.members)


@EVERY_DOCUMENT
@SAMPLES
@given(data=st.data())
def test_a_document_reads_back_equal(document: Document, data: st.DataObject) -> None:
    members = data.draw(members_of(document))

    parsed = parse(document.operation, document.build(**members))

    assert parsed == document.read(**members)


@pytest.mark.parametrize("operation", ["ListObjects", "ListObjectsV2"])
@SAMPLES
@given(data=st.data(), key=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_key_reads_back_equal_with_encoding_type_url(
    operation: str, data: st.DataObject, key: str
) -> None:
    document = BY_OPERATION[operation]
    members = data.draw(members_of(document)) | {
        "encoding_type": "url",
        "delimiter": key,
        "common_prefixes": [key],
    }
    # botocore decodes these in one version of the operation each.
    members |= {"marker": key, "next_marker": key} if operation == "ListObjects" else {}
    members |= {"prefix": key, "start_after": key} if operation == "ListObjectsV2" else {}
    members |= {"prefix": "plain"} if operation == "ListObjects" else {}

    parsed = parse(operation, document.build(**members))

    assert parsed == document.read(**members)


@EVERY_DOCUMENT
def test_every_member_that_botocore_reads_is_written_or_listed(document: Document) -> None:
    members = document.read(**FULL[document.operation])

    written = {CHECKSUM_VALUE.sub("Checksum", path) for path in paths(members)}

    read = {CHECKSUM_VALUE.sub("Checksum", path) for path in paths_of_shape(document.operation)}
    assert read - written == NOT_WRITTEN.get(document.operation, set())


def test_every_builder_is_tried() -> None:
    builders = {name for module in MODULES for name in builders_of(module)}

    tried = {document.build.__name__ for document in DOCUMENTS}

    assert builders - tried == {"error_document", "location_constraint"}


@SAMPLES
@given(code=KEYS, message=KEYS, key=KEYS, resource=st.none() | KEYS)
def test_an_error_reads_back_equal(code: str, message: str, key: str, resource: str | None) -> None:
    body = error_document.error_document(
        code=code,
        message=message,
        detail={"Key": key, "Condition": "If-Match"},
        resource=resource,
        request_id="4442587FB7D0A2F9",
        host_id="aGVsbG8=",
    )

    parsed = PARSER.parse(
        {
            "status_code": 404,
            "headers": {"x-amz-request-id": "4442587FB7D0A2F9", "x-amz-id-2": "aGVsbG8="},
            "body": body,
        },
        MODEL.shape_for("GetObjectOutput"),
    )

    expected = {"Code": code, "Message": message, "Key": key, "Condition": "If-Match"}
    assert parsed["Error"] == expected | ({} if resource is None else {"Resource": resource})
    assert parsed["ResponseMetadata"]["RequestId"] == "4442587FB7D0A2F9"
    assert parsed["ResponseMetadata"]["HostId"] == "aGVsbG8="


@pytest.mark.parametrize(("region", "read"), [("eu-west-1", "eu-west-1"), ("us-east-1", None)])
def test_a_location_reads_back_equal(region: str, read: str | None) -> None:
    """botocore reads this document with a handler of its own."""
    parsed: dict[str, Any] = {}

    parse_get_bucket_location(
        parsed, SimpleNamespace(raw=object(), content=buckets.location_constraint(region))
    )

    assert parsed == {"LocationConstraint": read}


def paths(members: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield the path of every scalar, e.g. "Contents.Owner.ID"."""
    for name, value in members.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from paths(item, f"{above}{name}.")
            else:
                yield above + name


def paths_of_shape(operation: str) -> Iterator[str]:
    """Yield the paths of all scalars that botocore reads from the operation's document."""
    shape = MODEL.operation_model(operation).output_shape
    assert shape is not None
    return _paths_of_members(shape, "")


def _paths_of_members(shape: StructureShape, above: str) -> Iterator[str]:
    for name, member in shape.members.items():
        if member.serialization.get("location") not in ("header", "headers"):
            yield from _paths_of_member(member, above + name)


def _paths_of_member(shape: Shape, path: str) -> Iterator[str]:
    match shape:
        case StructureShape():
            yield from _paths_of_members(shape, f"{path}.")
        case ListShape():
            yield from _paths_of_member(shape.member, path)
        case _:
            yield path


def builders_of(module: ModuleType) -> set[str]:
    """Return the names of a module's own public functions that return bytes."""
    return {
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and function.__annotations__["return"] is bytes
    }
