"""HeadBucket: HEAD /{Bucket}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
"""

from server.operation import BucketRequest, S3Reply, Stores


async def head_bucket(request: BucketRequest, stores: Stores) -> S3Reply:
    """Tell that the bucket exists, that the caller may use it, and where it is."""
    return S3Reply(
        headers={
            "x-amz-bucket-region": request.bucket.region,
            "x-amz-access-point-alias": "false",
            "Content-Type": "application/xml",
        }
    )
