"""DeleteObject. Source, unless a test says otherwise: S3 API reference, DeleteObject."""

import hashlib
import os

import pytest

from tests.fix_s3 import S3Client


@pytest.mark.parametrize("size", [0, 4, 100_000])
async def test_delete_object_leaves_the_key_holding_nothing(
    s3: S3Client, bucket: str, size: int
) -> None:
    await s3.put(f"/{bucket}/key", body=os.urandom(size))

    deleted = await s3.delete(f"/{bucket}/key")

    assert (deleted.status, deleted.body) == (204, b"")
    assert (await s3.get(f"/{bucket}/key")).refusal == (404, "NoSuchKey")
    assert await s3.keys_of(bucket) == []


async def test_delete_object_of_nothing_succeeds(s3: S3Client, bucket: str) -> None:
    assert (await s3.delete(f"/{bucket}/key")).status == 204


async def test_delete_object_leaves_the_keys_around_it(s3: S3Client, bucket: str) -> None:
    for key in ("a", "a/", "a/b"):
        await s3.put(f"/{bucket}/{key}")

    await s3.delete(f"/{bucket}/a/")

    assert await s3.keys_of(bucket) == ["a", "a/b"]


async def test_delete_object_of_the_null_version_deletes_it(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key")

    assert (await s3.delete(f"/{bucket}/key?versionId=null")).status == 204
    assert await s3.keys_of(bucket) == []


async def test_delete_object_of_another_version_deletes_nothing(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key")

    deleted = await s3.delete(f"/{bucket}/key?versionId=abc")

    assert deleted.status == 204
    assert await s3.keys_of(bucket) == ["key"]


ETAG = f'"{hashlib.md5(b"body").hexdigest()}"'


@pytest.mark.parametrize(
    ("condition", "refusal"),
    [
        pytest.param({"If-Match": ETAG}, None, id="as it was"),
        pytest.param({"If-Match": "*"}, None, id="anything"),
        pytest.param({"x-amz-if-match-size": "4"}, None, id="of that size"),
        pytest.param({"If-Match": '"a"'}, (412, "PreconditionFailed"), id="not as it was"),
        pytest.param(
            {"x-amz-if-match-size": "5"}, (412, "PreconditionFailed"), id="of another size"
        ),
        pytest.param(
            {"x-amz-if-match-last-modified-time": "Sat, 01 Jan 2000 00:00:00 GMT"},
            (412, "PreconditionFailed"),
            id="of another time",
        ),
        pytest.param(
            {"x-amz-if-match-last-modified-time": "yesterday"},
            (400, "InvalidArgument"),
            id="no time",
        ),
        pytest.param({"x-amz-if-match-size": "+4"}, (400, "InvalidArgument"), id="plus"),
        pytest.param({"x-amz-if-match-size": "4_0"}, (400, "InvalidArgument"), id="underscore"),
        pytest.param({"x-amz-if-match-size": "9" * 30}, (400, "InvalidArgument"), id="huge"),
        pytest.param({"If-None-Match": "*"}, (501, "NotImplemented"), id="If-None-Match"),
        pytest.param({"x-amz-mfa": "1 2"}, (501, "NotImplemented"), id="MFA"),
        pytest.param(
            {"x-amz-bypass-governance-retention": "true"}, (400, "InvalidArgument"), id="bypass"
        ),
    ],
)
async def test_delete_object_deletes_only_where_its_condition_holds(
    s3: S3Client, bucket: str, condition: dict[str, str], refusal: tuple[int, str] | None
) -> None:
    """Source: S3 User Guide, "Conditional deletes"."""
    await s3.put(f"/{bucket}/key", body=b"body")

    answer = await s3.delete(f"/{bucket}/key", headers=condition)

    assert answer.refusal == (refusal or (204, None))
    assert await s3.keys_of(bucket) == ([] if refusal is None else ["key"])


async def test_delete_object_if_match_of_nothing_is_no_such_key(s3: S3Client, bucket: str) -> None:
    refused = await s3.delete(f"/{bucket}/key", headers={"If-Match": ETAG})

    assert refused.refusal == (404, "NoSuchKey")


async def test_delete_object_by_its_own_last_modified(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key")
    shown = (await s3.head(f"/{bucket}/key")).headers["last-modified"]

    headers = {"x-amz-if-match-last-modified-time": shown}

    assert (await s3.delete(f"/{bucket}/key", headers=headers)).status == 204
