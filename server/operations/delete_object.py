"""DeleteObject: DELETE /{Bucket}/{Key}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
A key that holds nothing is deleted all the same.
"""

from server.deleting import delete_if
from server.operation import ObjectRequest, S3Reply, Stores
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.rules.versions import names_null_version
from server.rules.write_conditions import parse_delete_condition


async def delete_object(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Leave the key holding nothing, if the conditions hold."""
    refuse_unsupported_headers(request.headers)
    condition = parse_delete_condition(request.headers)
    version_id = request.query.get("versionId")

    if not names_null_version(version_id):
        return S3Reply(status=204, headers={"x-amz-version-id": version_id or ""})
    await delete_if(request, stores, request.key, condition)

    return S3Reply(status=204)
