"""`aws s3api`: every operation in scope, both versions of the program."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fix_clients import Boto, Program
from tests.fix_files import MIB, write

pytestmark = pytest.mark.clients

PART = 5 * MIB  # the least S3 allows, but for the last part


class S3Api:
    """`aws s3api`: a call is an operation in kebab case, its answer the JSON that was printed."""

    def __init__(self, aws: Program) -> None:
        self.aws = aws

    def __call__(self, operation: str, *arguments: str | Path) -> Any:
        printed = self.aws("s3api", operation, *arguments, "--output", "json").stdout
        return json.loads(printed) if printed.strip() else None

    def refused(self, operation: str, *arguments: str | Path) -> str:
        """Return what the program says of a call that must fail."""
        done = self.aws("s3api", operation, *arguments, check=False)
        assert done.returncode != 0
        return done.stderr.decode()


@pytest.fixture
def s3api(aws: Program) -> S3Api:
    return S3Api(aws)


@pytest.fixture
def body(tmp_path: Path) -> Path:
    return write(tmp_path / "body", b"0123456789")


def test_s3api_bucket_operations(s3api: S3Api, bucket: str) -> None:
    other = f"{bucket}-other"

    created = s3api("create-bucket", "--bucket", other)
    s3api("head-bucket", "--bucket", other)
    listed = s3api("list-buckets")
    location = s3api("get-bucket-location", "--bucket", other)
    s3api("delete-bucket", "--bucket", other)

    assert created["Location"] == f"/{other}"
    assert other in [held["Name"] for held in listed["Buckets"]]
    assert location == {"LocationConstraint": None}
    assert "404" in s3api.refused("head-bucket", "--bucket", other)


def test_s3api_put_get_head_and_delete_object(
    s3api: S3Api, bucket: str, body: Path, tmp_path: Path
) -> None:
    key = ("--bucket", bucket, "--key", "a//b/../c +%")
    put = s3api(
        "put-object", *key, "--body", body, "--metadata", "k=v", "--cache-control", "no-store"
    )
    got = s3api("get-object", *key, tmp_path / "down")
    head = s3api("head-object", *key)
    s3api("delete-object", *key)

    etag = f'"{hashlib.md5(body.read_bytes()).hexdigest()}"'
    assert put["ETag"] == got["ETag"] == head["ETag"] == etag
    assert (tmp_path / "down").read_bytes() == body.read_bytes()
    assert (head["ContentLength"], head["CacheControl"], head["Metadata"]) == (
        10,
        "no-store",
        {"k": "v"},
    )
    assert "404" in s3api.refused("head-object", *key)


def test_s3api_get_object_of_a_range_with_response_overrides(
    s3api: S3Api, bucket: str, body: Path, tmp_path: Path
) -> None:
    key = ("--bucket", bucket, "--key", "key")
    s3api("put-object", *key, "--body", body)

    got = s3api(
        "get-object",
        *key,
        "--range",
        "bytes=2-4",
        "--response-content-type",
        "text/x-note",
        tmp_path / "down",
    )

    assert (tmp_path / "down").read_bytes() == b"234"
    assert (got["ContentRange"], got["ContentType"]) == ("bytes 2-4/10", "text/x-note")


def test_s3api_conditional_reads(s3api: S3Api, bucket: str, body: Path, tmp_path: Path) -> None:
    key = ("--bucket", bucket, "--key", "key")
    etag = s3api("put-object", *key, "--body", body)["ETag"]

    not_modified = s3api.refused("get-object", *key, "--if-none-match", etag, tmp_path / "down")
    failed = s3api.refused("get-object", *key, "--if-match", '"other"', tmp_path / "down")

    assert "304" in not_modified
    assert "PreconditionFailed" in failed


def test_s3api_delete_objects(s3api: S3Api, bucket: str, body: Path) -> None:
    s3api("put-object", "--bucket", bucket, "--key", "a & <b>", "--body", body)
    doomed = json.dumps({"Objects": [{"Key": "a & <b>"}, {"Key": "never there"}]})

    deleted = s3api("delete-objects", "--bucket", bucket, "--delete", doomed)

    assert deleted == {"Deleted": [{"Key": "a & <b>"}, {"Key": "never there"}]}
    assert "Contents" not in (s3api("list-objects-v2", "--bucket", bucket) or {})


def test_s3api_copy_object_with_new_metadata(s3api: S3Api, bucket: str, body: Path) -> None:
    s3api("put-object", "--bucket", bucket, "--key", "from", "--body", body, "--metadata", "k=v")
    to = ("--bucket", bucket, "--key", "to")

    copied = s3api(
        "copy-object",
        *to,
        "--copy-source",
        f"{bucket}/from",
        "--metadata-directive",
        "REPLACE",
        "--metadata",
        "new=1",
    )

    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body.read_bytes()).hexdigest()}"'
    assert s3api("head-object", *to)["Metadata"] == {"new": "1"}


def test_s3api_get_object_attributes(s3api: S3Api, bucket: str, body: Path) -> None:
    key = ("--bucket", bucket, "--key", "key")
    s3api("put-object", *key, "--body", body, "--checksum-algorithm", "SHA256")

    attributes = s3api(
        "get-object-attributes", *key, "--object-attributes", "ETag", "ObjectSize", "Checksum"
    )

    assert attributes["ETag"] == hashlib.md5(body.read_bytes()).hexdigest()
    assert attributes["ObjectSize"] == 10
    assert (
        attributes["Checksum"]["ChecksumSHA256"] == "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII="
    )


def test_s3api_multipart_upload_from_start_to_end(
    s3api: S3Api, bucket: str, tmp_path: Path
) -> None:
    key = ("--bucket", bucket, "--key", "large +%")
    first = write(tmp_path / "1", b"a" * PART)
    last = write(tmp_path / "2", b"end")
    created = s3api("create-multipart-upload", *key, "--content-type", "text/x-note")
    upload = (*key, "--upload-id", created["UploadId"])

    parts = [
        {
            "PartNumber": number,
            "ETag": s3api("upload-part", *upload, "--part-number", str(number), "--body", path)[
                "ETag"
            ],
        }
        for number, path in [(1, first), (7, last)]
    ]
    listed_parts = s3api("list-parts", *upload)
    listed_uploads = s3api("list-multipart-uploads", "--bucket", bucket)
    completed = s3api(
        "complete-multipart-upload", *upload, "--multipart-upload", json.dumps({"Parts": parts})
    )
    s3api("get-object", *key, tmp_path / "down")

    assert [part["PartNumber"] for part in listed_parts["Parts"]] == [1, 7]
    assert [held["UploadId"] for held in listed_uploads["Uploads"]] == [created["UploadId"]]
    assert completed["ETag"].endswith('-2"')
    assert (tmp_path / "down").read_bytes() == first.read_bytes() + last.read_bytes()
    assert s3api("head-object", *key)["ContentType"] == "text/x-note"


def test_s3api_upload_part_copy(s3api: S3Api, bucket: str, tmp_path: Path) -> None:
    source = write(tmp_path / "source", bytes(range(256)) * (PART // 256) + b"0123456789")
    s3api("put-object", "--bucket", bucket, "--key", "from", "--body", source)
    key = ("--bucket", bucket, "--key", "to")
    upload = (*key, "--upload-id", s3api("create-multipart-upload", *key)["UploadId"])

    copied = [
        s3api(
            "upload-part-copy",
            *upload,
            "--part-number",
            str(number),
            "--copy-source",
            f"{bucket}/from",
            "--copy-source-range",
            selected,
        )["CopyPartResult"]["ETag"]
        for number, selected in [(1, f"bytes=0-{PART - 1}"), (2, f"bytes={PART}-{PART + 4}")]
    ]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(copied, start=1)]
    s3api("complete-multipart-upload", *upload, "--multipart-upload", json.dumps({"Parts": parts}))
    s3api("get-object", *key, tmp_path / "down")

    assert (tmp_path / "down").read_bytes() == source.read_bytes()[: PART + 5]


def test_s3api_abort_multipart_upload(s3api: S3Api, bucket: str, body: Path) -> None:
    key = ("--bucket", bucket, "--key", "never")
    upload = (*key, "--upload-id", s3api("create-multipart-upload", *key)["UploadId"])
    s3api("upload-part", *upload, "--part-number", "1", "--body", body)

    s3api("abort-multipart-upload", *upload)

    assert "NoSuchUpload" in s3api.refused("list-parts", *upload)
    assert "Uploads" not in (s3api("list-multipart-uploads", "--bucket", bucket) or {})


@pytest.mark.parametrize("operation", ["list-objects", "list-objects-v2"])
def test_s3api_listings_page_by_themselves(
    s3api: S3Api, bucket: str, boto: Boto, operation: str
) -> None:
    keys = sorted([f"p/{number:02d} +%é" for number in range(7)] + ["q", "r/s"])
    for key in keys:
        boto.client().put_object(Bucket=bucket, Key=key)

    everything = s3api(operation, "--bucket", bucket, "--page-size", "2")
    folders = s3api(operation, "--bucket", bucket, "--delimiter", "/")

    assert [held["Key"] for held in everything["Contents"]] == keys
    assert [held["Key"] for held in folders["Contents"]] == ["q"]
    assert [held["Prefix"] for held in folders["CommonPrefixes"]] == ["p/", "r/"]


def test_s3api_operation_out_of_scope_is_not_implemented(s3api: S3Api, bucket: str) -> None:
    refused = s3api.refused("get-bucket-replication", "--bucket", bucket)

    assert "NotImplemented" in refused
