"""Listing keys: what ListObjects, in both versions, and ListMultipartUploads have in common."""

from typing import Protocol, TypeVar

from server.metadata import listings
from server.model.bucket import Bucket
from server.model.listing import ListedObject, Page
from server.model.names import ObjectKey
from server.operation import Stores
from server.rules.arguments import invalid_argument
from server.rules.listings import ListQuery
from server.rules.positions import AfterKey, AfterPrefix, Position, prefix_end, scan_start

_NOTHING: Page[ListedObject] = Page((), (), is_truncated=False)


def first_key(position: Position | None, prefix: str) -> str | None:
    """Return the smallest key that a page may begin with; None where none can follow."""
    start = scan_start(position, prefix)
    if start is None:
        return None
    # No key holds U+0000, so nothing lies between a key and the same with U+0001 behind it.
    return start.key if start.inclusive else start.key + "\x01"


def delimiter_end(delimiter: str) -> str:
    """Return the smallest string above every string that begins with the delimiter.

    Raises S3Error InvalidArgument for the one kind of delimiter that has none.
    """
    end = prefix_end(delimiter)
    if end is None:
        raise invalid_argument("The delimiter is not valid.", "delimiter", delimiter)
    return end


async def list_page(
    stores: Stores, bucket: Bucket, wanted: ListQuery, position: Position | None
) -> Page[ListedObject]:
    """Return the page of objects that is asked for, behind the position."""
    start, end = first_key(position, wanted.prefix), prefix_end(wanted.prefix)
    if wanted.limit == 0 or start is None:
        return _NOTHING
    async with stores.metadata.connection() as conn:
        if not wanted.delimiter:
            return await listings.page(conn, bucket.id, start=start, end=end, limit=wanted.limit)
        return await listings.rolled_up_page(
            conn,
            bucket.id,
            start=start,
            end=end,
            limit=wanted.limit,
            prefix=wanted.prefix,
            delimiter=wanted.delimiter,
            delimiter_end=delimiter_end(wanted.delimiter),
        )


class Keyed(Protocol):
    """An entry of a listing."""

    @property
    def key(self) -> ObjectKey: ...


AnyKeyed = TypeVar("AnyKeyed", bound=Keyed)


def last_position(page: Page[AnyKeyed]) -> Position | None:
    """Return where the page ends: behind its last key or its last common prefix."""
    key = page.entries[-1].key if page.entries else ""
    prefix = page.common_prefixes[-1] if page.common_prefixes else ""
    if not key and not prefix:
        return None
    return AfterKey(key) if key > prefix else AfterPrefix(prefix)
