from datetime import UTC, datetime
from typing import Any

import pytest

from server.model.bucket import Account
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.listing import ListedUpload
from server.model.multipart_upload import Part
from server.model.names import CanonicalId, ETag, ObjectKey, UploadId
from xml_responses.errors import MalformedXML
from xml_responses.multipart import (
    CompletedPart,
    complete_multipart_upload_result,
    initiate_multipart_upload_result,
    list_multipart_uploads_result,
    list_parts_result,
    parse_complete_multipart_upload,
)

MODIFIED = datetime(2010, 11, 10, 20, 48, 34, tzinfo=UTC)
OWNER = Account(
    id=1, canonical_id=CanonicalId("75aa57f0"), name="mtd", email=None, created=MODIFIED
)
MD5 = "7778aef83f66abc1fa1e8477f296d394"


def complete(parts: str) -> bytes:
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def test_initiate_multipart_upload_result() -> None:
    document = initiate_multipart_upload_result(
        bucket="example", key="a\x07 <b>", upload_id="VXBsb2FkIElE"
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Bucket>example</Bucket>"
        b"<Key>a&#x7; &lt;b&gt;</Key>"
        b"<UploadId>VXBsb2FkIElE</UploadId>"
        b"</InitiateMultipartUploadResult>"
    )


def test_complete_multipart_upload_result() -> None:
    document = complete_multipart_upload_result(
        location="http://localhost:9000/example/a%20b",
        bucket="example",
        key="a b",
        etag=f"{MD5}-2",
        checksum=Checksum(ChecksumAlgorithm.CRC32, ChecksumType.FULL_OBJECT, "AAAAAA=="),
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Location>http://localhost:9000/example/a%20b</Location>"
        b"<Bucket>example</Bucket>"
        b"<Key>a b</Key>"
        b'<ETag>"7778aef83f66abc1fa1e8477f296d394-2"</ETag>'
        b"<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"
        b"<ChecksumType>FULL_OBJECT</ChecksumType>"
        b"</CompleteMultipartUploadResult>"
    )


def test_list_parts_result() -> None:
    parts = [
        Part(
            number=2,
            size=10485760,
            etag=ETag(MD5),
            last_modified=MODIFIED,
            checksum_algorithm=ChecksumAlgorithm.CRC64NVME,
            checksum="AAAAAAAAAAA=",
        ),
        Part(
            number=3,
            size=1,
            etag=ETag(MD5),
            last_modified=MODIFIED,
            checksum_algorithm=None,
            checksum=None,
        ),
    ]

    document = list_parts_result(
        bucket="example",
        key="a b",
        upload_id="XXBsb2Fk",
        initiator=OWNER,
        owner=OWNER,
        storage_class="STANDARD",
        checksum_algorithm=ChecksumAlgorithm.CRC64NVME,
        checksum_type=ChecksumType.FULL_OBJECT,
        part_number_marker=1,
        next_part_number_marker=3,
        max_parts=2,
        is_truncated=True,
        parts=parts,
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Bucket>example</Bucket>"
        b"<Key>a b</Key>"
        b"<UploadId>XXBsb2Fk</UploadId>"
        b"<Initiator><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Initiator>"
        b"<Owner><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Owner>"
        b"<StorageClass>STANDARD</StorageClass>"
        b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
        b"<ChecksumType>FULL_OBJECT</ChecksumType>"
        b"<PartNumberMarker>1</PartNumberMarker>"
        b"<NextPartNumberMarker>3</NextPartNumberMarker>"
        b"<MaxParts>2</MaxParts>"
        b"<IsTruncated>true</IsTruncated>"
        b"<Part>"
        b"<PartNumber>2</PartNumber>"
        b"<LastModified>2010-11-10T20:48:34.000Z</LastModified>"
        b'<ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag>'
        b"<Size>10485760</Size>"
        b"<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>"
        b"</Part>"
        b"<Part>"
        b"<PartNumber>3</PartNumber>"
        b"<LastModified>2010-11-10T20:48:34.000Z</LastModified>"
        b'<ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag>'
        b"<Size>1</Size>"
        b"</Part>"
        b"</ListPartsResult>"
    )


UPLOADS: dict[str, Any] = {
    "bucket": "example",
    "key_marker": "",
    "upload_id_marker": "",
    "next_key_marker": None,
    "next_upload_id_marker": None,
    "delimiter": None,
    "prefix": None,
    "encoding_type": None,
    "max_uploads": 1000,
    "is_truncated": False,
    "uploads": [],
    "common_prefixes": [],
    "owner": OWNER,
}


def test_list_multipart_uploads_result_without_uploads() -> None:
    assert list_multipart_uploads_result(**UPLOADS) == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Bucket>example</Bucket>"
        b"<KeyMarker></KeyMarker>"
        b"<UploadIdMarker></UploadIdMarker>"
        b"<MaxUploads>1000</MaxUploads>"
        b"<IsTruncated>false</IsTruncated>"
        b"</ListMultipartUploadsResult>"
    )


def test_list_multipart_uploads_result_of_a_page_with_everything() -> None:
    upload = ListedUpload(
        key=ObjectKey("my movie"),
        upload_id=UploadId("a+b"),
        initiated=MODIFIED,
        storage_class="STANDARD",
        checksum_algorithm=ChecksumAlgorithm.SHA256,
        checksum_type=ChecksumType.COMPOSITE,
    )

    document = list_multipart_uploads_result(
        **UPLOADS
        | {
            "key_marker": "my a",
            "upload_id_marker": "c+d",
            "next_key_marker": "my movie",
            "next_upload_id_marker": "a+b",
            "delimiter": "+",
            "prefix": "my ",
            "encoding_type": "url",
            "max_uploads": 2,
            "is_truncated": True,
            "uploads": [upload],
            "common_prefixes": ["my c+"],
        }
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Bucket>example</Bucket>"
        b"<KeyMarker>my%20a</KeyMarker>"
        b"<UploadIdMarker>c+d</UploadIdMarker>"
        b"<NextKeyMarker>my%20movie</NextKeyMarker>"
        b"<NextUploadIdMarker>a+b</NextUploadIdMarker>"
        b"<Delimiter>%2B</Delimiter>"
        b"<Prefix>my%20</Prefix>"
        b"<EncodingType>url</EncodingType>"
        b"<MaxUploads>2</MaxUploads>"
        b"<IsTruncated>true</IsTruncated>"
        b"<Upload>"
        b"<Key>my%20movie</Key>"
        b"<UploadId>a+b</UploadId>"
        b"<Initiator><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Initiator>"
        b"<Owner><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Owner>"
        b"<StorageClass>STANDARD</StorageClass>"
        b"<Initiated>2010-11-10T20:48:34.000Z</Initiated>"
        b"<ChecksumAlgorithm>SHA256</ChecksumAlgorithm>"
        b"<ChecksumType>COMPOSITE</ChecksumType>"
        b"</Upload>"
        b"<CommonPrefixes><Prefix>my%20c%2B</Prefix></CommonPrefixes>"
        b"</ListMultipartUploadsResult>"
    )


@pytest.mark.parametrize(
    "etag",
    [
        pytest.param(MD5, id="bare"),
        pytest.param(f'"{MD5}"', id="quoted"),
        pytest.param(f"&quot;{MD5}&quot;", id="quoted with entities, as the Java SDK does"),
        pytest.param(f"&#34;{MD5}&#34;", id="quoted with references, as Go does"),
        pytest.param(f'\n  "{MD5}"\n', id="on a line of its own"),
    ],
)
def test_parse_complete_multipart_upload_takes_an_etag_in_any_quotes(etag: str) -> None:
    body = complete(f"<Part><PartNumber> 1 </PartNumber><ETag>{etag}</ETag></Part>")

    assert parse_complete_multipart_upload(body) == (CompletedPart(1, MD5, {}),)


@pytest.mark.parametrize(
    "algorithm",
    [
        *("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"),
        *("SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"),
    ],
)
def test_parse_complete_multipart_upload_names_every_checksum(algorithm: str) -> None:
    body = complete(
        f"<Part><Checksum{algorithm}> AA== </Checksum{algorithm}>"
        f"<ETag>{MD5}</ETag><PartNumber>7</PartNumber></Part>"
    )

    assert parse_complete_multipart_upload(body) == (CompletedPart(7, MD5, {algorithm: "AA=="}),)


def test_parse_complete_multipart_upload_keeps_the_order_of_the_body() -> None:
    """The operation answers InvalidPartOrder, so it must see the order."""
    part = f"<ETag>{MD5}</ETag>"
    body = complete(
        f"<Part><PartNumber>2</PartNumber>{part}</Part>"
        f"<Part><PartNumber>1</PartNumber>{part}</Part>"
        f"<Part><PartNumber>1</PartNumber>{part}</Part>"
    )

    assert [part.number for part in parse_complete_multipart_upload(body)] == [2, 1, 1]


def test_parse_complete_multipart_upload_reads_ten_thousand_parts() -> None:
    part = "<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>"

    assert len(parse_complete_multipart_upload(complete(part * 10_000))) == 10_000
    with pytest.raises(MalformedXML):
        parse_complete_multipart_upload(complete(part * 10_001))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no body"),
        pytest.param(complete(""), id="no part"),
        pytest.param(complete("<Part/>"), id="empty part"),
        pytest.param(complete("<Part><ETag>a</ETag></Part>"), id="no number"),
        pytest.param(complete("<Part><PartNumber>1</PartNumber></Part>"), id="no ETag"),
        *(
            pytest.param(
                complete(f"<Part><PartNumber>{number}</PartNumber><ETag>a</ETag></Part>"),
                id=f"number {number!r}",
            )
            for number in ("", "-1", "+1", "1_0", "1.0", "0x1", "٣", "1" * 20, "1 2")
        ),
        pytest.param(
            complete(
                "<Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>a</ETag></Part>"
            ),
            id="two numbers",
        ),
        pytest.param(
            complete("<Part><PartNumber>1</PartNumber><ETag><b>a</b></ETag></Part>"),
            id="elements in an ETag",
        ),
    ],
)
def test_parse_complete_multipart_upload_refuses(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_complete_multipart_upload(body)
