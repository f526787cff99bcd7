"""Who may do what: an account may do everything to its own buckets, and nothing to any other."""

import re
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.bucket import Account, Bucket, account_number
from server.rules.arguments import printable

_ACCOUNT_NUMBER: Final = re.compile(r"[0-9]{12}", re.ASCII)


def authorize(account: Account, bucket: Bucket, *, expected_owner: str | None) -> None:
    """Raise AccessDenied where the account may not use the bucket.

    Asked before anything of the bucket is looked at, so that the answer tells nothing about it.

    expected_owner: x-amz-expected-bucket-owner, or x-amz-source-expected-bucket-owner of the source
        of a copy: the twelve digits of the account that the sender believes to own the bucket.
        InvalidBucketOwnerAWSAccountID (400) where it is no such number.
    """
    if bucket.account_id != account.id:
        raise S3Error(ErrorCode.AccessDenied)
    if expected_owner is None:
        return
    if not _ACCOUNT_NUMBER.fullmatch(expected_owner):
        raise S3Error(
            ErrorCode.InvalidBucketOwnerAWSAccountID,
            f"{ErrorCode.InvalidBucketOwnerAWSAccountID.message} [{printable(expected_owner)}]",
        )
    if expected_owner != account_number(bucket.account_id):
        raise S3Error(ErrorCode.AccessDenied)
