"""Documents of ListBuckets and GetBucketLocation, and the body of CreateBucket."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from lxml import etree

from xml_responses.document import add, add_row, new_document, to_bytes
from xml_responses.owners import Owner, add_owner
from xml_responses.request_body import parse, stripped, texts
from xml_responses.tagging import Tag, parse_tag_set
from xml_responses.timestamps import timestamp

# A location, and fifty tags of three elements each, many times over.
_MAX_ELEMENTS: Final = 1_000


class ListedBucket(Protocol):
    """One <Bucket> of ListBuckets."""

    @property
    def name(self) -> str:
        """The bucket's name."""

    @property
    def created(self) -> datetime:
        """Aware."""

    @property
    def region(self) -> str:
        """E.g. "us-east-1"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBucketConfiguration:
    """What CreateBucket asks for; an empty body asks for nothing."""

    location_constraint: str | None  # None where it is not named; "" where it is named empty
    directory_bucket: bool  # Location or Bucket is there: only directory buckets have them
    tags: tuple[Tag, ...]


def list_all_my_buckets_result(
    *,
    owner: Owner,
    buckets: Iterable[ListedBucket],
    prefix: str | None,
    continuation_token: str | None,
) -> bytes:
    """Return the body of ListBuckets.

    prefix: as the request named it; None leaves it out.
    continuation_token: of the next page; None on the last one.
    """
    root = new_document("ListAllMyBucketsResult")
    add_owner(root, "Owner", owner)
    listed = etree.SubElement(root, "Buckets")
    for bucket in buckets:
        add_row(
            listed,
            "Bucket",
            {
                "Name": bucket.name,
                "CreationDate": timestamp(bucket.created),
                "BucketRegion": bucket.region,
            },
        )
    add(root, "ContinuationToken", continuation_token)
    add(root, "Prefix", prefix)
    return to_bytes(root)


def location_constraint(region: str) -> bytes:
    """Return the body of GetBucketLocation; it is empty for us-east-1."""
    root = new_document("LocationConstraint")
    if region != "us-east-1":
        root.text = region
    return to_bytes(root)


def parse_create_bucket_configuration(body: bytes) -> CreateBucketConfiguration:
    """Return what the body of CreateBucket asks for. Raises MalformedXML."""
    if not body:
        return CreateBucketConfiguration(location_constraint=None, directory_bucket=False, tags=())
    root = parse(body, "CreateBucketConfiguration", max_elements=_MAX_ELEMENTS)
    location = texts(root, ("LocationConstraint",)).get("LocationConstraint")
    tags = root.find("Tags")
    return CreateBucketConfiguration(
        location_constraint=None if location is None else stripped(location),
        directory_bucket=root.find("Location") is not None or root.find("Bucket") is not None,
        tags=() if tags is None else parse_tag_set(tags),
    )
