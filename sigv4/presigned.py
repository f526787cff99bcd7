"""What the query of a request says about who signed it: presigned URLs of both versions.

URLs that a program presigns in the same second differ in their paths and in their signatures alone,
so what a query says beside its signature is remembered.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from sigv4.canonical import Parameter, decoded, parse_query
from sigv4.errors import SignatureError, SignatureErrorCode

# Longer texts are read anew each time: a client must not fill the memory with what it makes up.
MAX_REMEMBERED = 1024

_V4_PARAMETERS = frozenset({"x-amz-algorithm", "x-amz-credential", "x-amz-signature"})
_V2_PARAMETERS = frozenset({"AWSAccessKeyId", "Signature"})
# What a URL of Version 4 says about itself; the other x-amz-* parameters stand in for headers.
_COMPONENT_NAMES = _V4_PARAMETERS | {"x-amz-date", "x-amz-signedheaders", "x-amz-expires"}
_SIGNATURE = "X-Amz-Signature"
_is_signature = re.compile(r"[0-9a-f]{64}").fullmatch
# Of a canonical encoding. A header could not hold them, and in what Version 2 signs a line feed
# would make two headers of one.
_control_character = re.compile("%(?:[01][0-9A-F]|7F)").search


class SignedQuery(NamedTuple):
    """What a query says about who signed the request.

    parameters: in the order they were sent, without X-Amz-Signature.
    signature:  X-Amz-Signature as sent, decoded; None where there is none.
    amz:        the x-amz-* parameters, names in lower case, values still encoded.
    hoisted:    x-amz-* parameters that stand in for headers; empty where nobody signed.
    """

    parameters: tuple[Parameter, ...]
    signature: str | None
    amz: Mapping[str, str]
    has_v4: bool
    has_v2: bool
    hoisted: Mapping[str, str]


def malformed_query(fault: str, /, **detail: str) -> SignatureError:
    """Return the error for a presigned URL with such a fault."""
    return SignatureError(SignatureErrorCode.AuthorizationQueryParametersError, fault, **detail)


def split_signature(raw_query: str) -> tuple[str, str]:
    """Return what stands before a Version 4 signature at the end of a query, and the signature.

    The whole query and "" where there is none at its end, of the form that every signer gives it.
    """
    rest, _, signature = raw_query.rpartition(f"&{_SIGNATURE}=")
    return (rest, signature) if rest and _is_signature(signature) else (raw_query, "")


# One request asks several times in a row. Few, because a query may be long.
@lru_cache(maxsize=4)
def read_query(raw_query: str) -> SignedQuery:
    """Return what the query says.

    Raises SignatureError AuthorizationQueryParametersError where an x-amz-* parameter comes twice,
    or stands in for a header that could not have its value.
    """
    rest, signature = split_signature(raw_query)
    said = (_remembered if len(rest) <= MAX_REMEMBERED else _read)(rest)
    if not signature:
        return said
    if not said.has_v4:
        return _read(raw_query)
    name = _SIGNATURE.lower()
    if name in said.amz:
        raise _repeated(_SIGNATURE)
    return said._replace(signature=signature, amz={**said.amz, name: signature})


def _read(raw_query: str) -> SignedQuery:
    parameters = parse_query(raw_query)
    amz = _amz_parameters(parameters)
    has_v4 = not _V4_PARAMETERS.isdisjoint(amz)
    has_v2 = not _V2_PARAMETERS.isdisjoint([name for name, _ in parameters])
    signature = dict(parameters).get(_SIGNATURE)
    return SignedQuery(
        parameters=tuple([p for p in parameters if p[0] != _SIGNATURE]),
        signature=None if signature is None else decoded(signature),
        amz=amz,
        has_v4=has_v4,
        has_v2=has_v2,
        hoisted=_hoisted_headers(amz) if has_v4 or has_v2 else {},
    )


_remembered = lru_cache(maxsize=64)(_read)


def _amz_parameters(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Return the x-amz-* parameters of a query.

    One that comes twice, letter case aside, is refused: two parts of the server could each read
    another one.
    """
    found: dict[str, str] = {}
    for name, value in parameters:
        lower = name.lower()
        if lower.startswith("x-amz-"):
            if lower in found:
                raise _repeated(name)
            found[lower] = value
    return found


def _repeated(name: str) -> SignatureError:
    return malformed_query(f"The query parameter {name} must not be repeated.")


def _hoisted_headers(amz: Mapping[str, str]) -> dict[str, str]:
    """Return those of the x-amz-* parameters that a presigned URL carries in place of headers.

    JavaScript's SDK hoists every x-amz-* header, botocore those of a Version 2 URL.
    """
    hoisted = {}
    for name in amz.keys() - _COMPONENT_NAMES:
        if _control_character(amz[name]):
            raise malformed_query(f"The query parameter {name} has control characters.")
        hoisted[name] = decoded(amz[name])
    return hoisted
