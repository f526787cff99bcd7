"""Buckets and the accounts that own them."""

from datetime import datetime

from server.model.names import AccessKeyId, BucketName, CanonicalId
from server.model.value import value


@value()
class Account:
    """An owner of buckets."""

    id: int
    canonical_id: CanonicalId
    name: str
    email: str | None
    created: datetime


def account_number(account_id: int) -> str:
    """Return the id of an account as S3 writes it: twelve digits."""
    return f"{account_id:012}"


@value()
class AccessKey:
    """Credentials of an account. repr hides the secret, so no log line can show it."""

    access_key_id: AccessKeyId
    secret: "Secret"
    account: Account
    active: bool


class Secret(str):
    """A secret access key; prints as stars."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@value()
class Bucket:
    """A bucket as every request to it needs it."""

    id: int
    name: BucketName
    account_id: int
    region: str
    created: datetime
