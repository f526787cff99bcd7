"""PutObjectTagging: PUT /{Bucket}/{Key}?tagging

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
Answers, in this order: what is wrong with the body, what is wrong with the tags, NoSuchVersion,
NoSuchKey.
"""

from server.errors import ErrorCode, S3Error
from server.operation import ObjectRequest, S3Reply, Stores
from server.rules.limits import MAX_CONFIGURATION_BODY
from server.rules.tags import check_tags
from server.tagging import replace_tags
from xml_responses.errors import MalformedXML
from xml_responses.tagging import parse_tagging


async def put_object_tagging(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Give the object the tags of the body, in place of those it had."""
    body = await request.body.document(MAX_CONFIGURATION_BODY)
    try:
        tags = parse_tagging(body)
    except MalformedXML as error:
        raise S3Error(ErrorCode.MalformedXML) from error

    await replace_tags(request, stores, check_tags([(tag.key, tag.value) for tag in tags]))

    return S3Reply()
