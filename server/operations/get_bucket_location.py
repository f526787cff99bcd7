"""GetBucketLocation: GET /{Bucket}?location

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
"""

from server.operation import BucketRequest, S3Reply, Stores
from xml_responses.buckets import location_constraint


async def get_bucket_location(request: BucketRequest, stores: Stores) -> S3Reply:
    """Tell the region of the bucket."""
    return S3Reply(
        headers={"Content-Type": "application/xml"},
        body=location_constraint(request.bucket.region),
    )
