"""DeleteBucket: DELETE /{Bucket}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
"""

from server.errors import ErrorCode, S3Error
from server.metadata import buckets
from server.operation import BucketRequest, S3Reply, Stores


async def delete_bucket(request: BucketRequest, stores: Stores) -> S3Reply:
    """Delete the bucket if it is empty, and with it the uploads in progress."""
    async with stores.metadata.transaction() as conn:
        deleted = await buckets.delete(conn, request.bucket)
    if not deleted:
        raise S3Error(ErrorCode.BucketNotEmpty, BucketName=request.bucket.name)
    return S3Reply(status=204)
