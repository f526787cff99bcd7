"""The HMACs: the signing key of a day, and a comparison that tells nothing by its time."""

import hmac
from functools import lru_cache

ALGORITHM = "AWS4-HMAC-SHA256"
# Stands in for the secret of an access key that does not exist, so that looking for keys by the
# time of the answer finds none. Nothing signed with it is accepted.
NO_SECRET = "no-such-secret-access-key-at-this-server"


# Only dates and regions that passed their checks get here, so a client cannot flood the cache.
@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str) -> bytes:
    """Return the key that signs for S3 in a region on one day; date as in "20130524"."""
    key = f"AWS4{secret}".encode()
    for step in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key


def sign(key: bytes, string_to_sign: str) -> str:
    """Return the Version 4 signature: 64 lower-case hex digits."""
    return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


def same_signature(computed: str, provided: str) -> bool:
    """Return whether the signatures are equal, in a time that does not tell where they differ."""
    # compare_digest raises on text that is not ASCII.
    return provided.isascii() and hmac.compare_digest(computed, provided)
