"""Keys to list, and what a listing of them must be by the rules of S3, computed the simple way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Prefixes of one another, characters around the delimiter, and those at the ends of UTF-8.
KEYS = (
    *("a", "a!", "a/", "a/b", "a/b/c", "a/b/d", "a//", "a//b", "a0", "ab", "abc"),
    *("b/", "b/1", "b/2", "b/2/3", "b0"),
    *("A", "Z", "_", " ", "%", "+", "&<>", "'\""),
    *("ä", "ä/ö", "€", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001f469", "\U0010ffff"),
    *("\x01", "\n", "\x7f", "/", "//", "/a", "c\x01/d", "c/\x01"),
)


@dataclass(frozen=True)
class Expected:
    """A whole listing: keys and common prefixes, each in the order of their UTF-8 bytes."""

    keys: Sequence[str]
    prefixes: Sequence[str]


def listing(
    keys: Iterable[str], *, prefix: str = "", delimiter: str = "", after: str = ""
) -> Expected:
    """Return all that a listing shows, pages put together."""
    shown: dict[str, bool] = {}  # entry → whether it is a common prefix
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            shown[key] = False
        else:
            shown[key[: end + len(delimiter)]] = True
    return Expected(
        [entry for entry, is_prefix in shown.items() if not is_prefix],
        [entry for entry, is_prefix in shown.items() if is_prefix],
    )
