"""x-amz-expected-bucket-owner, which every operation on a bucket takes, and its twin of copies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

import pytest

from tests.fix_s3 import S3Client

HEADER = "x-amz-expected-bucket-owner"
SOURCE_HEADER = "x-amz-source-expected-bucket-owner"
ROOT = "000000000001"  # the first account of a new database
OTHER = "999999999999"

REQUESTS = pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", ""),
        ("GET", "?list-type=2"),
        ("GET", "?uploads"),
        ("GET", "?location"),
        ("HEAD", ""),
        ("GET", "/key"),
        ("HEAD", "/key"),
        ("PUT", "/key"),
        ("PUT", "/key?tagging"),
        ("GET", "/key?tagging"),
        ("POST", "/key?uploads"),
        ("POST", "?delete"),
        ("DELETE", "/key"),
        ("DELETE", ""),
        ("GET", "?policy"),  # not implemented, and still not to be told about
    ],
)


@REQUESTS
@pytest.mark.parametrize(
    ("owner", "status", "code"),
    [
        pytest.param(OTHER, 403, "AccessDenied", id="another account"),
        pytest.param("rubbish", 400, "InvalidBucketOwnerAWSAccountID", id="no account"),
        pytest.param("", 400, "InvalidBucketOwnerAWSAccountID", id="empty"),
    ],
)
async def test_a_bucket_of_another_owner_than_expected_is_left_alone(
    s3: S3Client, bucket: str, method: str, target: str, owner: str, status: int, code: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    refused = await s3.request(method, f"/{bucket}{target}", headers={HEADER: owner})

    assert refused.status == status
    assert refused.error_code == (None if method == "HEAD" else code)
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"


async def test_a_bucket_of_the_expected_owner_is_used(s3: S3Client, bucket: str) -> None:
    stored = await s3.put(f"/{bucket}/key", body=b"body", headers={HEADER: ROOT})

    assert stored.status == 200
    assert (await s3.get(f"/{bucket}/key", headers={HEADER: ROOT})).body == b"body"


@pytest.mark.parametrize(("owner", "status"), [(ROOT, 200), (OTHER, 403)])
async def test_a_presigned_url_may_say_who_is_expected(
    s3: S3Client, bucket: str, owner: str, status: int
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    presigned = s3.signing("query", "unsigned")

    assert (await presigned.get(f"/{bucket}/key?{HEADER}={owner}")).status == status


@pytest.mark.parametrize(
    ("owner", "refusal"),
    [
        pytest.param(ROOT, (200, None), id="the owner"),
        pytest.param(OTHER, (403, "AccessDenied"), id="another account"),
        pytest.param("1", (400, "InvalidBucketOwnerAWSAccountID"), id="no account"),
    ],
)
async def test_the_source_of_a_copy_has_an_expected_owner_of_its_own(
    s3: S3Client, bucket: str, owner: str, refusal: tuple[int, str | None]
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    upload = (await s3.post(f"/{bucket}/parts?uploads")).texts("UploadId")[0]
    headers = {"x-amz-copy-source": f"{bucket}/key", SOURCE_HEADER: owner, HEADER: ROOT}

    copied = await s3.put(f"/{bucket}/copy", headers=headers)
    part = await s3.put(f"/{bucket}/parts?partNumber=1&uploadId={upload}", headers=headers)

    assert copied.refusal == part.refusal == refusal
