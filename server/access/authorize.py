"""Who may do what: an account may do everything to its own buckets, and nothing to any other."""

from server.errors import ErrorCode, S3Error
from server.model.bucket import Account, Bucket


def authorize(account: Account, bucket: Bucket) -> None:
    """Raise AccessDenied where the account may not use the bucket.

    Asked before anything of the bucket is looked at, so that the answer tells nothing about it.
    """
    if bucket.account_id != account.id:
        raise S3Error(ErrorCode.AccessDenied)
