"""The canonical form of a request: the one spelling that client and server both sign.

Source: S3 API reference, "Signature Calculations for the Authorization Header", and what the
clients named in the comments send.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

# A parameter of the query: name and value in canonical encoding, so that equal ones look equal.
Parameter = tuple[str, str]

# Texts that decoding and encoding would give back as they are: nearly all that clients send.
# Possessive quantifiers, because a hostile text must not make the match backtrack.
_ESCAPE = "%(?:[01][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[B-DF]|[89A-F][0-9A-F])"
_is_canonical_path = re.compile(rf"(?:[A-Za-z0-9._~/-]++|{_ESCAPE})++").fullmatch
_is_canonical_parameter = re.compile(rf"(?:[A-Za-z0-9._~-]++|{_ESCAPE}|%2F)*+").fullmatch
# Of all parameters at once: one look at a query instead of two at each of them.
_is_canonical_query = re.compile(rf"(?:[A-Za-z0-9._~&=-]++|{_ESCAPE}|%2F)*+").fullmatch
_BLANKS = re.compile(r"[ \t]+")


def wire_bytes(text: str) -> bytes:
    """Return the bytes that the text had on the wire; surrogate escapes turn back into theirs."""
    return text.encode("utf-8", "surrogateescape")


def canonical_uri(raw_path: str) -> str:
    """Return the path decoded once and encoded once. "/", "//" and dot segments stay."""
    if _is_canonical_path(raw_path):
        return raw_path
    return quote_from_bytes(unquote_to_bytes(wire_bytes(raw_path)), safe="/") or "/"


def parse_query(raw_query: str) -> tuple[Parameter, ...]:
    """Return the parameters in the order they were sent, decoded once and encoded once.

    "+" is a space, as the rest of the server reads it: object_store signs "%20" and sends "+".
    The other reading is never tried: it would let "a+b" pass for a signed "a%2Bb".
    """
    is_canonical = _is_canonical_query(raw_query) is not None
    parameters = []
    for pair in raw_query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            if not is_canonical or "=" in value:
                name, value = _parameter(name), _parameter(value)
            parameters.append((name, value))
    return tuple(parameters)


def _parameter(text: str) -> str:
    if _is_canonical_parameter(text):
        return text
    return quote_from_bytes(unquote_to_bytes(wire_bytes(text.replace("+", " "))), safe="")


def decoded(text: str) -> str:
    """Return the text behind a canonical encoding; bytes that are not UTF-8 become escapes."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def canonical_query(parameters: Iterable[Parameter]) -> str:
    """Return the parameters sorted by encoded name, then value; an empty value keeps its "="."""
    return "&".join(f"{name}={value}" for name, value in sorted(parameters))


def canonical_headers(headers: Mapping[str, str], signed_headers: Iterable[str]) -> str:
    """Return a "name:value" line for each signed header, inner blanks collapsed to one space.

    A signed header that the request does not have counts as empty.
    """
    lines = "".join([f"{name}:{headers.get(name, '')}\n" for name in signed_headers])
    if "  " in lines or "\t" in lines:
        return _BLANKS.sub(" ", lines)
    return lines


def unsigned_headers(headers: Mapping[str, str], signed_headers: Iterable[str]) -> list[str]:
    """Return the headers that a signature must cover and that this one does not.

    Those are Host, Content-MD5, and every x-amz-* but x-amz-content-sha256, whose value is signed
    as the last line of the canonical request. Content-Type is not among them, nor is it for S3:
    minio-go (restic, mc) leaves it out of the signature of a chunked upload, minio-js always.
    """
    # Host must be signed even by a request that has none.
    return sorted(filter(_must_be_signed, {"host", *headers}.difference(signed_headers)))


def _must_be_signed(name: str) -> bool:
    if name.startswith("x-amz-"):
        return name != "x-amz-content-sha256"
    return name in ("content-md5", "host")
