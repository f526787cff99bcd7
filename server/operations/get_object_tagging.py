"""GetObjectTagging: GET /{Bucket}/{Key}?tagging

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
"""

from server.operation import ObjectRequest, S3Reply, Stores
from server.reading import find_version
from xml_responses.tagging import Tag, tagging


async def get_object_tagging(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Tell the tags of the object, by key; an object without any has an empty set."""
    version = await find_version(
        stores,
        request.bucket,
        request.key,
        request.query.get("versionId"),
        request.grant,
        with_body=False,
    )

    tags = sorted(version.content.tags.items())
    body = tagging(Tag(key, value) for key, value in tags)
    return S3Reply(headers={"Content-Type": "application/xml"}, body=body)
