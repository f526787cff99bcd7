"""Tags: the body of PutObjectTagging and PutBucketTagging, and the document of their reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from lxml import etree

from xml_responses.document import add_row, new_document, to_bytes
from xml_responses.errors import MalformedXML
from xml_responses.request_body import parse, texts

# Fifty tags of three elements each, many times over.
_MAX_ELEMENTS: Final = 1_000
_TAG: Final = frozenset({"Key", "Value"})


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag. White space counts in both; how many and how long, the operation decides."""

    key: str
    value: str


def tagging(tags: Iterable[Tag]) -> bytes:
    """Return the body of GetObjectTagging and GetBucketTagging."""
    root = new_document("Tagging")
    tag_set = etree.SubElement(root, "TagSet")
    for tag in tags:
        add_row(tag_set, "Tag", {"Key": tag.key, "Value": tag.value})
    return to_bytes(root)


def parse_tagging(body: bytes) -> tuple[Tag, ...]:
    """Return the tags of a <Tagging> body, in order; there may be none.

    Equal keys are not refused here: S3 has a word of its own for them, InvalidTag.
    Raises MalformedXML.
    """
    root = parse(body, "Tagging", max_elements=_MAX_ELEMENTS)
    match root.findall("TagSet"):
        case [tag_set]:
            return parse_tag_set(tag_set)
        case _:
            raise MalformedXML("there is not one TagSet")


def parse_tag_set(tag_set: Element) -> tuple[Tag, ...]:
    """Return the tags of an element that holds <Tag> elements. Raises MalformedXML."""
    return tuple(_parse_tag(element) for element in tag_set.iterfind("Tag"))


def _parse_tag(element: Element) -> Tag:
    found = texts(element, _TAG)
    if len(found) < len(_TAG):
        raise MalformedXML("a Tag lacks its Key or Value")
    return Tag(key=found["Key"], value=found["Value"])
