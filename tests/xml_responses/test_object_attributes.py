from datetime import UTC, datetime

from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.multipart_upload import Part
from server.model.names import ETag
from xml_responses.object_attributes import (
    ObjectParts,
    PartsPage,
    get_object_attributes_response,
)

PART = Part(
    number=3,
    size=5242880,
    etag=ETag("d41d8cd98f00b204e9800998ecf8427e"),
    last_modified=datetime(2009, 10, 28, tzinfo=UTC),
    checksum_algorithm=ChecksumAlgorithm.SHA1,
    checksum="cGFydA==",
)


def test_get_object_attributes_response_with_everything() -> None:
    document = get_object_attributes_response(
        etag="d41d8cd98f00b204e9800998ecf8427e-4",
        checksum=Checksum(ChecksumAlgorithm.SHA1, ChecksumType.COMPOSITE, "d2hvbGU=-4"),
        object_parts=ObjectParts(
            total=4,
            page=PartsPage(
                part_number_marker=2,
                next_part_number_marker=3,
                max_parts=1,
                is_truncated=True,
                parts=[PART],
            ),
        ),
        storage_class="STANDARD",
        object_size=20971520,
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<GetObjectAttributesResponse xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<ETag>d41d8cd98f00b204e9800998ecf8427e-4</ETag>"
        b"<Checksum>"
        b"<ChecksumSHA1>d2hvbGU=-4</ChecksumSHA1>"
        b"<ChecksumType>COMPOSITE</ChecksumType>"
        b"</Checksum>"
        b"<ObjectParts>"
        b"<PartsCount>4</PartsCount>"
        b"<PartNumberMarker>2</PartNumberMarker>"
        b"<NextPartNumberMarker>3</NextPartNumberMarker>"
        b"<MaxParts>1</MaxParts>"
        b"<IsTruncated>true</IsTruncated>"
        b"<Part>"
        b"<PartNumber>3</PartNumber>"
        b"<Size>5242880</Size>"
        b"<ChecksumSHA1>cGFydA==</ChecksumSHA1>"
        b"</Part>"
        b"</ObjectParts>"
        b"<StorageClass>STANDARD</StorageClass>"
        b"<ObjectSize>20971520</ObjectSize>"
        b"</GetObjectAttributesResponse>"
    )


def test_get_object_attributes_response_of_parts_without_checksums_is_their_number() -> None:
    document = get_object_attributes_response(
        etag=None,
        checksum=None,
        object_parts=ObjectParts(total=4, page=None),
        storage_class=None,
        object_size=None,
    )

    assert document.endswith(
        b'01/"><ObjectParts><PartsCount>4</PartsCount></ObjectParts></GetObjectAttributesResponse>'
    )


def test_get_object_attributes_response_tells_an_empty_object_from_no_answer() -> None:
    document = get_object_attributes_response(
        etag=None, checksum=None, object_parts=None, storage_class=None, object_size=0
    )

    assert document.endswith(b'01/"><ObjectSize>0</ObjectSize></GetObjectAttributesResponse>')
