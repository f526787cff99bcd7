"""What every response document is made of: elements, their texts, and the bytes in the end."""

import re
import secrets
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from typing import Final

from lxml import etree

S3_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
# The first bytes of every document. An answer that takes long may send them alone, then white
# space to keep the connection alive, then the rest of the document.
XML_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'

# XML 1.0 has no spelling for these characters, but keys may hold them; S3 writes "&#x1;" all the
# same, and so do we: a key must not make its bucket unlistable. lxml refuses such text, so it
# carries a mark that to_bytes() replaces. The mark is random, so no key can contain it.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What escaped() does not leave as it is.
_SPECIAL: Final = re.compile("[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_MARK: Final = secrets.token_hex(16)
_MARKED: Final = re.compile(f"{_MARK}([0-9a-f]+);".encode())


def new_document(name: str, namespace: str | None = S3_NAMESPACE) -> etree._Element:
    """Return the root of a document; its children need no namespace of their own."""
    root = etree.Element(name)
    if namespace is not None:
        root.set("xmlns", namespace)
    return root


def add(parent: etree._Element, name: str, text: str | None) -> None:
    """Append an element that holds text alone; None appends nothing, "" an empty element."""
    if text is not None:
        element = etree.SubElement(parent, name)
        try:
            element.text = text
        except ValueError:
            element.text = _without_forbidden(text)


def add_members(parent: etree._Element, members: Mapping[str, str | None]) -> None:
    """Append an element for each member, in order, as add() does."""
    for name, text in members.items():
        add(parent, name, text)


def add_row(parent: etree._Element, name: str, members: Mapping[str, str]) -> etree._Element:
    """Append an element with a child for each member, in order, and return it.

    members: names are those of S3's schema, never of a client: rows of one form share a template.
    """
    # Copying a template is 1.3 times as fast as a SubElement for each member.
    row = copy(_empty_row(name, tuple(members)))
    parent.append(row)
    try:
        for element, text in zip(row, members.values(), strict=True):
            element.text = text
    except ValueError:
        for element, text in zip(row, members.values(), strict=True):
            element.text = _without_forbidden(text)
    return row


def to_bytes(root: etree._Element, rows: Iterable[str] = ()) -> bytes:
    """Return the document as it is sent.

    rows: more children of the root, behind those that it has, as text of the document: for what a
        document holds by the thousand. Measured with 1,000 objects: 5.2 ms as elements of lxml, 1.4
        as text. Whoever writes one passes all that a client chose through escaped().
    """
    document = etree.tostring(root, encoding="UTF-8", xml_declaration=False)
    if _MARK.encode() in document:
        document = _MARKED.sub(rb"&#x\1;", document)
    if rows:
        end = f"</{root.tag}>".encode()
        # A root without children closes itself.
        start = document.removesuffix(end) if len(root) else document.removesuffix(b"/>") + b">"
        document = start + "".join(rows).encode() + end
    return XML_DECLARATION + document


def escaped(text: str) -> str:
    """Return the text as it stands in a document between two tags.

    Characters that XML 1.0 cannot hold are written "&#x1;" as S3 does, lone surrogates U+FFFD.
    """
    if not _SPECIAL.search(text):
        return text
    text = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return _SPECIAL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0]) or f"&#x{ord(found[0]):x};"


def readable(text: str) -> str:
    """Return the text with U+FFFD for all that XML 1.0 cannot hold, so that any parser reads it."""
    return _LONE_SURROGATE.sub("\ufffd", _FORBIDDEN.sub("\ufffd", text))


def boolean(value: bool) -> str:
    """Return S3's spelling of a truth value."""
    return "true" if value else "false"


def quoted(etag: str) -> str:
    """Return an ETag in the quotes that belong to it."""
    return f'"{etag}"'


@cache
def _empty_row(name: str, members: tuple[str, ...]) -> etree._Element:
    row = etree.Element(name)
    for member in members:
        etree.SubElement(row, member)
    return row


def _without_forbidden(text: str) -> str:
    # Keys have no lone surrogates. A header that is quoted in an error may: it was not UTF-8.
    text = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return _FORBIDDEN.sub(lambda match: f"{_MARK}{ord(match[0]):x};", text)
