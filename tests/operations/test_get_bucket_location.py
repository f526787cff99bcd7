"""GetBucketLocation. Source: S3 API reference, GetBucketLocation."""

from tests.fix_s3 import S3Client


async def test_get_bucket_location_of_us_east_1_is_empty(s3: S3Client, bucket: str) -> None:
    located = await s3.get(f"/{bucket}?location")

    assert (located.status, located.document.tag) == (200, "LocationConstraint")
    assert not located.document.text


async def test_get_bucket_location_of_no_bucket(s3: S3Client) -> None:
    assert (await s3.get("/no-such-bucket?location")).refusal == (404, "NoSuchBucket")
