"""User metadata: the x-amz-meta-… headers.

Source: S3 User Guide, "Working with object metadata"; RFC 2047.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Final

from server.errors import ErrorCode, S3Error
from server.rules.arguments import check_header_value
from server.rules.limits import MAX_USER_METADATA_BYTES

PREFIX: Final = "x-amz-meta-"

# RFC 2047 section 2 allows 75 characters; "=?UTF-8?Q?" and "?=" take 12 of them.
_ENCODED_TEXT: Final = 63
_PLAIN_IN_Q: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/.,:;()'\"@&$%#~{}[]|^`<>"
)


def parse_user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the user metadata of an upload, names without "x-amz-meta-".

    Raises S3Error MetadataTooLarge (400) where names and values exceed 2 KiB of UTF-8,
    InvalidArgument (400) for a value with control characters or that is no UTF-8.
    """
    metadata = {}
    size = 0
    for header, value in headers.items():
        if not header.startswith(PREFIX):
            continue
        name = header.removeprefix(PREFIX)
        check_header_value(header, value)
        size += len(name) + len(value.encode())
        metadata[name] = value
    if size > MAX_USER_METADATA_BYTES:
        raise S3Error(
            ErrorCode.MetadataTooLarge,
            Size=str(size),
            MaxSizeAllowed=str(MAX_USER_METADATA_BYTES),
        )
    return metadata


def user_metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the x-amz-meta-… headers of a reply; values beyond ASCII are RFC 2047 words."""
    return {PREFIX + name: encode_words(value) for name, value in metadata.items()}


def encode_words(value: str) -> str:
    """Return the value unchanged where it is ASCII, else as RFC 2047 words between spaces.

    Mostly ASCII becomes "=?UTF-8?Q?…?=", anything else "=?UTF-8?B?…?=", as S3 chooses.
    """
    if value.isascii():
        return value
    beyond_ascii = sum(not character.isascii() for character in value)
    if 2 * beyond_ascii > len(value):
        # 45 bytes are 60 characters of base64.
        words = (base64.b64encode(piece).decode() for piece in _pieces(value, limit=45))
        return " ".join(f"=?UTF-8?B?{word}?=" for word in words)
    # An escaped byte takes 3 characters.
    words = (_q_encode(piece) for piece in _pieces(value, limit=_ENCODED_TEXT // 3))
    return " ".join(f"=?UTF-8?Q?{word}?=" for word in words)


def _pieces(value: str, *, limit: int) -> Iterator[bytes]:
    """Yield the value's UTF-8 in pieces of at most that many bytes, no character cut in two."""
    piece = b""
    for character in value:
        encoded = character.encode()
        if len(piece) + len(encoded) > limit:
            yield piece
            piece = b""
        piece += encoded
    yield piece


def _q_encode(data: bytes) -> str:
    return "".join(
        chr(byte) if byte in _PLAIN_IN_Q else "_" if byte == 0x20 else f"={byte:02X}"
        for byte in data
    )
