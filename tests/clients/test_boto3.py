"""boto3: transfer manager, resources, presigned addresses, paginators, conditional writes."""

import io
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.fix_clients import Boto
from tests.fix_files import MIB, write

pytestmark = pytest.mark.clients

BODY = bytes(range(256)) * 40
BY_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)

# Keys that no folder can hold; XML, URLs and signatures must.
STRANGE_KEYS = [
    pytest.param("a//b", id="empty segment"),
    pytest.param("folder/", id="trailing slash"),
    pytest.param("/leading", id="leading slash"),
    pytest.param("//", id="slashes alone"),
    pytest.param("a/./b/../c", id="inner dot segments"),
    pytest.param(".", id="dot"),
    pytest.param("a b+c%20d%2Fe%", id="space, plus and percent"),
    pytest.param("?acl&x=#fragment", id="query and fragment"),
    pytest.param("<&>\"'", id="XML"),
    pytest.param("\U0001f600/é/é", id="emoji, NFC and NFD"),
    pytest.param("\u202eright to left", id="bidirectional"),
    pytest.param("line\nfeed\tand tab", id="line feed and tab"),
    pytest.param("carriage\rreturn", id="carriage return"),
    pytest.param("back\\slash", id="backslash"),
    pytest.param("~*'()!$,;:@=", id="reserved characters"),
    pytest.param("x" * 1024, id="1,024 bytes"),
    pytest.param("é" * 512, id="1,024 bytes in 512 characters"),
]

# Legal in keys and not in XML 1.0, so no DeleteObjects can name them.
KEYS_OUTSIDE_XML = [
    pytest.param("\x01\x1f\x7f", id="control characters"),
    pytest.param("\ufffe\uffff", id="noncharacters"),
]


@pytest.fixture
def client(boto: Boto) -> Any:
    return boto.client()


def read(client: Any, bucket: str, key: str, **more: object) -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key, **more)["Body"].read()
    return body


@pytest.mark.parametrize("key", STRANGE_KEYS)
def test_boto3_round_trip_of_a_strange_key(client: Any, bucket: str, key: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=BODY)

    body = read(client, bucket, key)
    listed = [held["Key"] for held in client.list_objects_v2(Bucket=bucket)["Contents"]]
    client.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    deleted = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    left = [held["Key"] for held in client.list_objects_v2(Bucket=bucket)["Contents"]]

    assert body == BODY
    assert listed == [key]
    assert [held["Key"] for held in deleted["Deleted"]] == [key]
    assert left == ["copy"]


@pytest.mark.parametrize("key", KEYS_OUTSIDE_XML)
def test_boto3_round_trip_of_a_key_that_xml_cannot_hold(client: Any, bucket: str, key: str) -> None:
    """boto3 asks for encoding-type=url, so even such a bucket can be listed."""
    client.put_object(Bucket=bucket, Key=key, Body=BODY)

    body = read(client, bucket, key)
    listed = [held["Key"] for held in client.list_objects_v2(Bucket=bucket)["Contents"]]
    client.delete_object(Bucket=bucket, Key=key)
    left = client.list_objects_v2(Bucket=bucket)["KeyCount"]

    assert body == BODY
    assert listed == [key]
    assert left == 0


def test_boto3_keys_that_begin_with_one_another_live_together(client: Any, bucket: str) -> None:
    keys = ["a", "a/", "a/b", "a/b/c", "a//b"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())

    assert {key: read(client, bucket, key) for key in keys} == {key: key.encode() for key in keys}


def test_boto3_key_of_1025_bytes_is_too_long(client: Any, bucket: str) -> None:
    with pytest.raises(ClientError, match="KeyTooLongError"):
        client.put_object(Bucket=bucket, Key="x" * 1025, Body=b"")


def test_boto3_transfer_manager_uploads_and_downloads_by_parts(
    client: Any, bucket: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "up", BODY * 1200)

    client.upload_file(str(source), bucket, "large", Config=BY_PARTS)
    client.download_file(bucket, "large", str(tmp_path / "down"), Config=BY_PARTS)

    assert (tmp_path / "down").read_bytes() == source.read_bytes()
    assert client.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')


def test_boto3_transfer_manager_carries_streams_of_unknown_length(client: Any, bucket: str) -> None:
    client.upload_fileobj(io.BytesIO(BODY * 1200), bucket, "stream", Config=BY_PARTS)
    target = io.BytesIO()
    client.download_fileobj(bucket, "stream", target, Config=BY_PARTS)

    assert target.getvalue() == BODY * 1200


def test_boto3_transfer_manager_copies_by_parts(client: Any, bucket: str) -> None:
    client.upload_fileobj(io.BytesIO(BODY * 1200), bucket, "from", Config=BY_PARTS)

    client.copy({"Bucket": bucket, "Key": "from"}, bucket, "to", Config=BY_PARTS)

    assert read(client, bucket, "to") == BODY * 1200


def test_boto3_get_object_by_part_number(client: Any, bucket: str) -> None:
    client.upload_fileobj(io.BytesIO(BODY * 1200), bucket, "large", Config=BY_PARTS)

    second = client.get_object(Bucket=bucket, Key="large", PartNumber=2)

    assert second["PartsCount"] == 3
    assert second["Body"].read() == (BODY * 1200)[5 * MIB : 10 * MIB]


def test_boto3_resource_api(boto: Boto, bucket: str) -> None:
    held = boto.resource().Bucket(bucket)
    first = held.put_object(Key="a/first", Body=BODY, Metadata={"k": "v"})
    held.Object("a/second").copy_from(CopySource={"Bucket": bucket, "Key": "a/first"})

    keys = [found.key for found in held.objects.filter(Prefix="a/")]
    body = first.get()["Body"].read()
    metadata = held.Object("a/second").metadata
    held.objects.limit(1).delete()

    assert keys == ["a/first", "a/second"]
    assert (body, metadata) == (BODY, {"k": "v"})
    assert [found.key for found in held.objects.all()] == ["a/second"]


@pytest.mark.parametrize("signature", ["s3", "s3v4"], ids=["SigV2", "SigV4"])
@pytest.mark.parametrize("key", ["plain", "dir/with +%&=?#é.txt"])
def test_boto3_presigned_put_and_get(boto: Boto, bucket: str, signature: str, key: str) -> None:
    signer = boto.client(signature_version=signature)
    target = {"Bucket": bucket, "Key": key}
    put = urllib.request.Request(
        signer.generate_presigned_url("put_object", target), data=BODY, method="PUT"
    )
    # urllib names a Content-Type unasked, which SigV2 signs.
    put.add_header("Content-Type", "")

    with urllib.request.urlopen(put) as stored:
        assert stored.status == 200
    with urllib.request.urlopen(signer.generate_presigned_url("get_object", target)) as answer:
        assert answer.read() == BODY


def test_boto3_presigned_address_by_default_is_signed_with_sigv2(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=BODY)

    url = client.generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": "key", "ResponseContentType": "text/x-note"}
    )

    assert "AWSAccessKeyId=" in url
    with urllib.request.urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (BODY, "text/x-note")


@pytest.mark.parametrize("signature", ["s3", "s3v4"], ids=["SigV2", "SigV4"])
def test_boto3_presigned_address_is_good_for_one_key_alone(
    boto: Boto, bucket: str, signature: str
) -> None:
    signer = boto.client(signature_version=signature)
    signer.put_object(Bucket=bucket, Key="other", Body=BODY)
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"})

    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("/key?", "/other?"))


ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_boto3_checksum_in_a_header_comes_back(client: Any, bucket: str, algorithm: str) -> None:
    put = client.put_object(Bucket=bucket, Key="key", Body=BODY, ChecksumAlgorithm=algorithm)

    got = client.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")

    name = f"Checksum{algorithm}"
    assert got["Body"].read() == BODY  # botocore compares the checksum while it reads
    assert got[name] == put[name]
    assert got["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_boto3_checksum_in_a_trailer_comes_back(boto_tls: Boto, algorithm: str) -> None:
    """Over TLS botocore sends unsigned chunks and the checksum behind them."""
    secure = boto_tls.client()
    bucket = f"trailer-{algorithm.lower()}"
    secure.create_bucket(Bucket=bucket)

    put = secure.put_object(
        Bucket=bucket, Key="key", Body=io.BytesIO(BODY * 20), ChecksumAlgorithm=algorithm
    )
    got = secure.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")

    assert got["Body"].read() == BODY * 20
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert "ContentEncoding" not in got


def test_boto3_transfer_manager_over_tls(boto_tls: Boto) -> None:
    secure = boto_tls.client()
    secure.create_bucket(Bucket="transfer")
    target = io.BytesIO()

    secure.upload_fileobj(io.BytesIO(BODY * 1200), "transfer", "large", Config=BY_PARTS)
    secure.download_fileobj("transfer", "large", target, Config=BY_PARTS)

    assert target.getvalue() == BODY * 1200


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        pytest.param("CRC32", "COMPOSITE", id="CRC32 of the parts"),
        pytest.param("CRC32C", "COMPOSITE", id="CRC32C of the parts"),
        pytest.param("SHA1", "COMPOSITE", id="SHA1 of the parts"),
        pytest.param("SHA256", "COMPOSITE", id="SHA256 of the parts"),
        pytest.param("CRC32", "FULL_OBJECT", id="CRC32 of the object"),
        pytest.param("CRC32C", "FULL_OBJECT", id="CRC32C of the object"),
        pytest.param("CRC64NVME", "FULL_OBJECT", id="CRC64NVME of the object"),
    ],
)
def test_boto3_checksum_of_a_multipart_upload(
    client: Any, bucket: str, algorithm: str, kind: str
) -> None:
    target = {"Bucket": bucket, "Key": "large"}
    upload = client.create_multipart_upload(
        **target, ChecksumAlgorithm=algorithm, ChecksumType=kind
    )
    name = f"Checksum{algorithm}"
    parts = []
    for number, body in [(1, b"a" * 5 * MIB), (2, b"end")]:
        part = client.upload_part(
            **target,
            UploadId=upload["UploadId"],
            PartNumber=number,
            Body=body,
            ChecksumAlgorithm=algorithm,
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"], name: part[name]})

    completed = client.complete_multipart_upload(
        **target, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )

    head = client.head_object(**target, ChecksumMode="ENABLED")
    assert (completed["ChecksumType"], head["ChecksumType"]) == (kind, kind)
    assert head[name] == completed[name]
    assert head[name].endswith("-2") == (kind == "COMPOSITE")


def test_boto3_wrong_checksum_stores_nothing(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"first")

    with pytest.raises(ClientError, match="BadDigest"):
        client.put_object(Bucket=bucket, Key="key", Body=b"second", ChecksumCRC32="AAAAAA==")

    assert read(client, bucket, "key") == b"first"


PAGED = [
    pytest.param("list_objects", "Contents", "Key", id="ListObjects"),
    pytest.param("list_objects_v2", "Contents", "Key", id="ListObjectsV2"),
]


@pytest.mark.parametrize(("operation", "entries", "name"), PAGED)
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_boto3_paginator_finds_every_key_once_in_order(
    client: Any, bucket: str, operation: str, entries: str, name: str, page: int
) -> None:
    keys = ["Z", "a", "a/b", "é", "\uffee", "\U0001f600"]  # in the order of their UTF-8 bytes
    for key in reversed(keys):
        client.put_object(Bucket=bucket, Key=key)

    pages = client.get_paginator(operation).paginate(
        Bucket=bucket, PaginationConfig={"PageSize": page}
    )

    assert [held[name] for listed in pages for held in listed.get(entries, [])] == keys


def test_boto3_paginator_of_uploads_and_of_parts(client: Any, bucket: str) -> None:
    uploads = []
    for key in ["a", "b", "b", "c/d"]:
        created = client.create_multipart_upload(Bucket=bucket, Key=key)
        uploads.append((key, created["UploadId"]))
    last = {"Bucket": bucket, "Key": "c/d", "UploadId": uploads[-1][1]}
    for number in (1, 2, 9, 10_000):
        client.upload_part(**last, PartNumber=number, Body=b"x")

    listed_uploads = client.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1}
    )
    listed_parts = client.get_paginator("list_parts").paginate(
        **last, PaginationConfig={"PageSize": 1}
    )

    found = [
        (held["Key"], held["UploadId"])
        for page in listed_uploads
        for held in page.get("Uploads", [])
    ]
    assert sorted(found) == sorted(uploads)
    assert [key for key, _ in found] == ["a", "b", "b", "c/d"]
    assert [held["PartNumber"] for page in listed_parts for held in page["Parts"]] == [
        1,
        2,
        9,
        10_000,
    ]


def test_boto3_put_if_none_match_writes_a_key_once(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="once", Body=b"first", IfNoneMatch="*")

    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="once", Body=b"second", IfNoneMatch="*")

    assert read(client, bucket, "once") == b"first"


def test_boto3_put_if_match_replaces_what_was_read(client: Any, bucket: str) -> None:
    etags = [client.put_object(Bucket=bucket, Key="key", Body=b"1")["ETag"]]
    etags.append(client.put_object(Bucket=bucket, Key="key", Body=b"2", IfMatch=etags[0])["ETag"])

    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="key", Body=b"3", IfMatch=etags[0])

    assert read(client, bucket, "key", IfMatch=etags[1]) == b"2"


def test_boto3_user_metadata_comes_back(client: Any, bucket: str) -> None:
    metadata = {"name": "value", "with-dash": "a  b", "empty": ""}
    client.put_object(Bucket=bucket, Key="key", Body=BODY, Metadata=metadata)

    assert client.head_object(Bucket=bucket, Key="key")["Metadata"] == metadata


def test_boto3_bucket_in_the_host_name(boto_virtual_hosts: Boto, bucket: str) -> None:
    virtual = boto_virtual_hosts.client()
    keys = ["a//b", "dir/with +%&=?#é.txt"]
    for key in keys:
        virtual.put_object(Bucket=bucket, Key=key, Body=key.encode())

    listed = [held["Key"] for held in virtual.list_objects_v2(Bucket=bucket)["Contents"]]

    assert listed == keys
    assert [read(virtual, bucket, key) for key in keys] == [key.encode() for key in keys]


def test_boto3_waiters_see_what_was_written(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=b"")

    client.get_waiter("bucket_exists").wait(Bucket=bucket)
    client.get_waiter("object_exists").wait(Bucket=bucket, Key="key")
    client.get_waiter("object_not_exists").wait(Bucket=bucket, Key="other")


def test_boto3_ranges_put_together_are_the_object(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="key", Body=BODY)
    cuts = [0, 1, 255, 4096, 10_000, len(BODY)]

    pieces = [
        read(client, bucket, "key", Range=f"bytes={first}-{after - 1}")
        for first, after in pairwise(cuts)
    ]

    assert b"".join(pieces) == BODY
