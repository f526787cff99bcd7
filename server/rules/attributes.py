"""Which attributes GetObjectAttributes is asked for."""

from collections.abc import Mapping, Set
from typing import Final

from server.errors import ErrorCode, S3Error
from server.rules.arguments import invalid_argument

_HEADER: Final = "x-amz-object-attributes"
_KNOWN: Final = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


def parse_attributes(headers: Mapping[str, str]) -> Set[str]:
    """Return the attributes that x-amz-object-attributes names, separated by commas.

    Raises S3Error InvalidRequest (400) without the header, InvalidArgument (400) for a name that
    is no attribute.
    """
    header = headers.get(_HEADER)
    if not header:
        raise S3Error(
            ErrorCode.InvalidRequest,
            "The x-amz-object-attributes header specifying the attributes to be retrieved is"
            " either missing or empty",
        )
    names = {name.strip() for name in header.split(",")}
    if not names <= _KNOWN:
        raise invalid_argument("Invalid attribute name specified.", _HEADER, header)
    return names
