"""Request bodies: XML that a stranger wrote, read without trusting it.

The parser is expat, not lxml: libxml2 keeps every element name it has seen in a dictionary of
the thread, for good, so a client that invents names would grow the worker by each of them
(60 MB of names, sent in 300 bodies: 68 MB that stay). Expat forgets them with its parser.
"""

import re
from collections.abc import Collection
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from xml_responses.document import S3_NAMESPACE
from xml_responses.errors import MalformedXML

MAX_DEPTH: Final = 16
# Expat copies the namespace into the name of every element in it, so a long one costs its length
# times the number of elements (38 s for a body of 1 MiB). S3's has 39 characters.
_MAX_NAMESPACE_LENGTH: Final = 256
# Expat hands over a tag with all its attributes at once, before anybody can count them (1.3 s for
# 600,000). So it is fed in pieces of this size, and a tag is complete within two of them.
_PIECE_BYTES: Final = 32 << 10
_SEPARATOR: Final = "}"
_S3_PREFIX: Final = S3_NAMESPACE + _SEPARATOR
_XML_SPACE: Final = " \t\r\n"
# 19 digits hold any 64-bit integer.
_INTEGER: Final = re.compile("[0-9]{1,19}")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def parse(body: bytes, root: str, *, max_elements: int) -> Element:
    """Return the root of the body's tree; elements have S3's names, without a namespace.

    body: UTF-8, with or without a byte order mark. Its size is bounded by the caller.
    root: name of the root, in S3's namespace or in none. Elements of other namespaces keep
          theirs in the tag, so no reader mistakes them for S3's.
    max_elements: how many elements and attributes a body may hold, those that nobody reads
        included.

    Comments and processing instructions are skipped; CDATA is text.
    Raises MalformedXML; also for a DOCTYPE, for any declared encoding but UTF-8, and for more
    than MAX_DEPTH levels, and for a tag far longer than any of S3's.
    """
    # Told UTF-8, expat still takes UTF-16 for what it is, and in UTF-16 every tag has a zero byte.
    if b"\0" in body:
        raise MalformedXML("the body is not UTF-8")
    reader = _Reader(max_elements)
    try:
        element = reader.read(body)
    except expat.ExpatError as error:
        raise MalformedXML("the body is not well-formed") from error
    if element.tag != root:
        raise MalformedXML(f"the root is not {root}")
    return element


def texts(element: Element, names: Collection[str]) -> dict[str, str]:
    """Return the text of each named child that is there, white space and all.

    Children of other names are ignored. Raises MalformedXML where a named child is repeated, or
    holds elements instead of text.
    """
    found: dict[str, str] = {}
    for child in element:
        if child.tag in names:
            if child.tag in found:
                raise MalformedXML(f"{child.tag} is repeated")
            if len(child) > 0:
                raise MalformedXML(f"{child.tag} holds elements")
            found[child.tag] = child.text or ""
    return found


def stripped(text: str) -> str:
    """Return the text without the white space of XML around it."""
    return text.strip(_XML_SPACE)


def integer(text: str) -> int:
    """Return a whole number from 0, of at most 19 digits. Raises MalformedXML."""
    digits = stripped(text)
    if _INTEGER.fullmatch(digits) is None:
        raise MalformedXML("a number is not a number")
    return int(digits)


def boolean(text: str) -> bool:
    """Return an xs:boolean. Raises MalformedXML."""
    value = _BOOLEANS.get(stripped(text))
    if value is None:
        raise MalformedXML("a boolean is neither true nor false")
    return value


def etag(text: str) -> str:
    """Return an ETag without the quotes around it, which clients may leave out."""
    value = stripped(text)
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        return value[1:-1]
    return value


class _Reader:
    """One parse: expat's events become a tree, and limits hold while it grows."""

    def __init__(self, max_elements: int) -> None:
        self._elements_left = max_elements
        self._depth = 0
        self._tree: TreeBuilder = TreeBuilder()

    def read(self, body: bytes) -> Element:
        # The encoding is given, so expat follows no declaration.
        parser = expat.ParserCreate("UTF-8", _SEPARATOR)
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._tree.data
        for start in range(0, len(body), _PIECE_BYTES):
            parser.Parse(body[start : start + _PIECE_BYTES], False)
            # Of a text each piece is an event of its own, a tag is one as a whole.
            if start - parser.CurrentByteIndex > _PIECE_BYTES:
                raise MalformedXML("a tag is too long")
        parser.Parse(b"", True)
        return self._tree.close()

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() not in ("UTF-8", "UTF8"):
            raise MalformedXML("the declared encoding is not UTF-8")

    def _doctype(
        self, name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool
    ) -> None:
        raise MalformedXML("the body has a DOCTYPE")

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        if uri is not None and len(uri) > _MAX_NAMESPACE_LENGTH:
            raise MalformedXML("a namespace is too long")
        self._count()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MalformedXML("elements are nested too deeply")
        self._count(1 + len(attributes))
        self._tree.start(name.removeprefix(_S3_PREFIX), {})

    def _count(self, added: int = 1) -> None:
        # Attributes and declarations of namespaces count, too: each takes as long as an element.
        self._elements_left -= added
        if self._elements_left < 0:
            raise MalformedXML("the body has too many elements")

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._tree.end(name)
