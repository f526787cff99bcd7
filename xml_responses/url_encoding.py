"""encoding-type=url: how a listing spells keys so that any XML parser can read them."""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal
from urllib.parse import quote

EncodingType = Literal["url"]

# S3 itself writes a space as "+". Most clients decode that (botocore, rclone, the Java SDK), but
# some percent-decode only, and Ceph's s3-tests ask for "%20": that one every client reads right,
# since a plus sign in a key is "%2B" either way.
_URL_ENCODED: Final = partial(quote, safe="/")


def key_encoder(encoding_type: EncodingType | None) -> Callable[[str], str]:
    """Return what a listing does to keys, prefixes, delimiters and markers.

    For "url": UTF-8, percent-encoded but for letters, digits, "-._~" and "/".
    Continuation tokens and upload ids are never encoded.
    """
    return str if encoding_type is None else _URL_ENCODED
