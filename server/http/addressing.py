"""What a request is addressed to: Host and raw target become bucket, key and query.

Parsed once, here: the signature is checked over the raw bytes, and everything after it sees only
what this module returns.

Source: S3 user guide, "Virtual hosting of buckets".
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from server.errors import ErrorCode, S3Error
from server.model.value import value
from sigv4.presigned import MAX_REMEMBERED, split_signature

_broken_escape = re.compile(r"%(?![0-9A-Fa-f]{2})").search


@value()
class Address:
    """Where a request goes. bucket: as sent, not yet checked; key: "" for the bucket itself."""

    bucket: str | None  # None: the service
    key: str
    is_virtual_hosted: bool
    raw_path: str
    raw_query: str
    query: Mapping[str, str]


def parse_address(target: str, host: str, domains: Sequence[str]) -> Address:
    """Return where a request goes.

    target:  the request target as it came from the wire, e.g. "/bucket/a%20b?list-type=2".
    host:    the Host header; a port is ignored.
    domains: base domains of virtual-hosted style, lower case, e.g. ["localhost"].

    Raises S3Error InvalidURI where the target is not a path in percent-encoded UTF-8.
    """
    raw_path, _, raw_query = target.partition("?")
    if not raw_path.startswith("/"):
        raise S3Error(ErrorCode.InvalidURI)
    query = parse_query(raw_query) if raw_query else {}
    hosted = hosted_bucket(host, domains)
    if hosted is not None:
        key = _decoded(raw_path[1:])
        return Address(hosted, key, True, raw_path, raw_query, query)
    bucket, _, key = _decoded(raw_path[1:]).partition("/")
    if not bucket and key:
        raise S3Error(ErrorCode.InvalidURI)
    return Address(bucket or None, key, False, raw_path, raw_query, query)


def hosted_bucket(host: str, domains: Sequence[str]) -> str | None:
    """Return the bucket that a Host header names before one of the domains, or None."""
    name = host.lower()
    if not name.endswith("]"):  # an IPv6 address keeps its colons
        name = name.rpartition(":")[0] or name
    for domain in domains:
        if name.endswith(domain) and name[: -len(domain)].endswith("."):
            return name[: -len(domain) - 1] or None
    return None


def parse_query(raw_query: str) -> dict[str, str]:
    """Return the parameters, percent-decoded, "+" as a space; the first of two equal names wins.

    Raises S3Error InvalidURI where an escape is broken or the bytes are not UTF-8.
    """
    rest, signature = split_signature(raw_query)
    query = dict((_remembered if len(rest) <= MAX_REMEMBERED else _parse_query)(rest))
    if signature:
        query.setdefault("X-Amz-Signature", signature)
    return query


def _parse_query(raw_query: str) -> dict[str, str]:
    query: dict[str, str] = {}
    is_ascii = raw_query.isascii()
    for pair in raw_query.split("&"):
        name, _, value = pair.partition("=")
        if not name:
            continue
        if not is_ascii or "%" in pair or "+" in pair:
            name, value = _decoded(name.replace("+", " ")), _decoded(value.replace("+", " "))
        if name not in query:
            query[name] = value
    return query


# URLs that are presigned in the same second have all but their signature in common.
_remembered = lru_cache(maxsize=64)(_parse_query)


def _decoded(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    if _broken_escape(text):
        raise S3Error(ErrorCode.InvalidURI)
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError as error:
        raise S3Error(ErrorCode.InvalidURI) from error
