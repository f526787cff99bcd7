from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from server.model.bucket import Account
from server.model.checksum import ChecksumAlgorithm, ChecksumType
from server.model.listing import ListedObject
from server.model.names import CanonicalId, ETag, ObjectKey
from xml_responses.listings import list_bucket_result, list_bucket_result_v2

MODIFIED = datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC)
OWNER = Account(
    id=1, canonical_id=CanonicalId("75aa57f0"), name="mtd", email=None, created=MODIFIED
)
IMAGE = ListedObject(
    key=ObjectKey("my image.jpg"),
    last_modified=MODIFIED,
    etag=ETag("fba9dede5f27731c9771645a39863328"),
    size=434234,
    storage_class="STANDARD",
    checksum_algorithm=ChecksumAlgorithm.CRC64NVME,
    checksum_type=ChecksumType.FULL_OBJECT,
)
PAGE_V1: dict[str, Any] = {
    "name": "quotes",
    "prefix": "",
    "marker": "",
    "next_marker": None,
    "max_keys": 1000,
    "delimiter": None,
    "encoding_type": None,
    "is_truncated": False,
    "contents": [],
    "common_prefixes": [],
    "owner": OWNER,
}
PAGE_V2: dict[str, Any] = {
    "name": "quotes",
    "prefix": "",
    "start_after": None,
    "continuation_token": None,
    "next_continuation_token": None,
    "max_keys": 1000,
    "delimiter": None,
    "encoding_type": None,
    "is_truncated": False,
    "contents": [],
    "common_prefixes": [],
    "owner": None,
}


def test_list_bucket_result_of_an_empty_bucket() -> None:
    assert list_bucket_result(**PAGE_V1) == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Name>quotes</Name>"
        b"<Prefix></Prefix>"
        b"<Marker></Marker>"
        b"<MaxKeys>1000</MaxKeys>"
        b"<IsTruncated>false</IsTruncated>"
        b"</ListBucketResult>"
    )


def test_list_bucket_result_of_a_page_with_everything() -> None:
    document = list_bucket_result(
        **PAGE_V1
        | {
            "prefix": "my ",
            "marker": "my a",
            "next_marker": "my image.jpg",
            "max_keys": 2,
            "delimiter": "+",
            "encoding_type": "url",
            "is_truncated": True,
            "contents": [IMAGE],
            "common_prefixes": ["my c+"],
        }
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Name>quotes</Name>"
        b"<Prefix>my%20</Prefix>"
        b"<Marker>my%20a</Marker>"
        b"<NextMarker>my%20image.jpg</NextMarker>"
        b"<MaxKeys>2</MaxKeys>"
        b"<Delimiter>%2B</Delimiter>"
        b"<EncodingType>url</EncodingType>"
        b"<IsTruncated>true</IsTruncated>"
        b"<Contents>"
        b"<Key>my%20image.jpg</Key>"
        b"<LastModified>2009-10-12T17:50:30.000Z</LastModified>"
        b'<ETag>"fba9dede5f27731c9771645a39863328"</ETag>'
        b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
        b"<ChecksumType>FULL_OBJECT</ChecksumType>"
        b"<Size>434234</Size>"
        b"<StorageClass>STANDARD</StorageClass>"
        b"<Owner><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Owner>"
        b"</Contents>"
        b"<CommonPrefixes><Prefix>my%20c%2B</Prefix></CommonPrefixes>"
        b"</ListBucketResult>"
    )


def test_list_bucket_result_v2_of_a_page_with_everything() -> None:
    document = list_bucket_result_v2(
        **PAGE_V2
        | {
            "prefix": "my ",
            "start_after": "my a",
            "continuation_token": "a+b",
            "next_continuation_token": "c+d",
            "max_keys": 2,
            "delimiter": "+",
            "encoding_type": "url",
            "is_truncated": True,
            "contents": [IMAGE],
            "common_prefixes": ["my c+"],
            "owner": OWNER,
        }
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Name>quotes</Name>"
        b"<Prefix>my%20</Prefix>"
        b"<StartAfter>my%20a</StartAfter>"
        b"<ContinuationToken>a+b</ContinuationToken>"
        b"<NextContinuationToken>c+d</NextContinuationToken>"
        b"<KeyCount>2</KeyCount>"
        b"<MaxKeys>2</MaxKeys>"
        b"<Delimiter>%2B</Delimiter>"
        b"<EncodingType>url</EncodingType>"
        b"<IsTruncated>true</IsTruncated>"
        b"<Contents>"
        b"<Key>my%20image.jpg</Key>"
        b"<LastModified>2009-10-12T17:50:30.000Z</LastModified>"
        b'<ETag>"fba9dede5f27731c9771645a39863328"</ETag>'
        b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
        b"<ChecksumType>FULL_OBJECT</ChecksumType>"
        b"<Size>434234</Size>"
        b"<StorageClass>STANDARD</StorageClass>"
        b"<Owner><ID>75aa57f0</ID><DisplayName>mtd</DisplayName></Owner>"
        b"</Contents>"
        b"<CommonPrefixes><Prefix>my%20c%2B</Prefix></CommonPrefixes>"
        b"</ListBucketResult>"
    )


def test_list_bucket_result_v2_leaves_out_what_was_not_asked_for() -> None:
    plain = replace(IMAGE, checksum_algorithm=None, checksum_type=None)

    document = list_bucket_result_v2(**PAGE_V2 | {"contents": [plain], "delimiter": ""})

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Name>quotes</Name>"
        b"<Prefix></Prefix>"
        b"<KeyCount>1</KeyCount>"
        b"<MaxKeys>1000</MaxKeys>"
        b"<IsTruncated>false</IsTruncated>"
        b"<Contents>"
        b"<Key>my image.jpg</Key>"
        b"<LastModified>2009-10-12T17:50:30.000Z</LastModified>"
        b'<ETag>"fba9dede5f27731c9771645a39863328"</ETag>'
        b"<Size>434234</Size>"
        b"<StorageClass>STANDARD</StorageClass>"
        b"</Contents>"
        b"</ListBucketResult>"
    )


def test_a_key_with_control_characters_does_not_make_its_bucket_unlistable() -> None:
    """Learnt from AWS's own answers: "<Key>a&#x19;&#x7;</Key>" (minio-py issue 716)."""
    hostile = replace(IMAGE, key=ObjectKey("a\x19\x07\r"))
    page = PAGE_V2 | {"contents": [hostile], "common_prefixes": ["b\x01/"]}

    document = list_bucket_result_v2(**page)
    encoded = list_bucket_result_v2(**page | {"encoding_type": "url"})

    assert b"<Key>a&#x19;&#x7;&#13;</Key>" in document
    assert b"<Prefix>b&#x1;/</Prefix>" in document
    assert b"<Key>a%19%07%0D</Key>" in encoded
    assert b"<Prefix>b%01/</Prefix>" in encoded
