"""DeleteObjectTagging: DELETE /{Bucket}/{Key}?tagging

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html
"""

from server.operation import ObjectRequest, S3Reply, Stores
from server.tagging import replace_tags


async def delete_object_tagging(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Leave the object without tags, whether it had any or not."""
    await replace_tags(request, stores, {})

    return S3Reply(status=204)
