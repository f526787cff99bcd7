"""CreateBucket: PUT /{Bucket}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""

from server.errors import ErrorCode, S3Error
from server.metadata import buckets
from server.model.bucket import Account, Bucket
from server.operation import NewBucketRequest, S3Reply, Stores
from server.rules.arguments import header_not_implemented
from server.rules.limits import MAX_CONFIGURATION_BODY
from server.rules.unsupported_headers import refuse_unsupported_headers
from xml_responses.buckets import parse_create_bucket_configuration
from xml_responses.errors import MalformedXML

# Where re-creating one's own bucket is answered with 200, for the sake of clients of the first day.
_FORGIVING_REGION = "us-east-1"


async def create_bucket(request: NewBucketRequest, stores: Stores) -> S3Reply:
    """Create the bucket, owned by the caller's account."""
    refuse_unsupported_headers(request.headers)
    _check_configuration(await request.body.document(MAX_CONFIGURATION_BODY), stores.region)

    async with stores.metadata.transaction() as conn:
        created = await buckets.create(
            conn, request.bucket_name, account_id=request.account.id, region=stores.region
        )
        if created is None:
            _, holder = await buckets.find(conn, request.bucket_name)
            _check_is_own(holder, request.account)

    return S3Reply(headers={"Location": f"/{request.bucket_name}"})


def _check_configuration(body: bytes, region: str) -> None:
    try:
        configuration = parse_create_bucket_configuration(body)
    except MalformedXML as error:
        raise S3Error(ErrorCode.MalformedXML) from error
    if configuration.directory_bucket:
        raise S3Error(ErrorCode.NotImplemented, "This server does not have directory buckets.")
    if configuration.tags:
        raise header_not_implemented("Tags", "This server does not have bucket tags.")
    wanted = configuration.location_constraint
    if wanted is None:
        if region != _FORGIVING_REGION:
            raise S3Error(
                ErrorCode.IllegalLocationConstraintException,
                "The unspecified location constraint is incompatible for the region specific"
                " endpoint this request was sent to.",
            )
    # us-east-1 has no name as a constraint, but clients send it, or an empty one, all the same.
    elif wanted != region and not (wanted == "" and region == _FORGIVING_REGION):
        raise S3Error(
            ErrorCode.IllegalLocationConstraintException,
            f"The {wanted} location constraint is incompatible for the region specific endpoint"
            " this request was sent to.",
        )


def _check_is_own(holder: Bucket | None, account: Account) -> None:
    if holder is None:  # nobody took the name: the account was removed meanwhile
        raise S3Error(ErrorCode.AccessDenied)
    if holder.account_id != account.id:
        raise S3Error(ErrorCode.BucketAlreadyExists)
    if holder.region != _FORGIVING_REGION:
        raise S3Error(ErrorCode.BucketAlreadyOwnedByYou, BucketName=holder.name)
