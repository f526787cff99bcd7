"""HeadBucket. Source: S3 API reference, HeadBucket."""

from tests.fix_s3 import S3Client


async def test_head_bucket_tells_that_it_is_there_and_where(s3: S3Client, bucket: str) -> None:
    head = await s3.head(f"/{bucket}")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["x-amz-bucket-region"] == "us-east-1"
    assert head.headers["x-amz-access-point-alias"] == "false"


async def test_head_bucket_of_none_is_404(s3: S3Client) -> None:
    assert (await s3.head("/no-such-bucket")).status == 404


async def test_head_bucket_of_what_is_no_name_is_400(s3: S3Client) -> None:
    assert (await s3.head("/No_Such_Bucket")).status == 400
