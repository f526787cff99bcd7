"""Owners and initiators in documents."""

from typing import Protocol

from lxml import etree

from xml_responses.document import add_row, escaped


class Owner(Protocol):
    """The account that owns a bucket or an object, or that initiated an upload."""

    @property
    def canonical_id(self) -> str:
        """Sixty-four hex digits."""

    @property
    def name(self) -> str:
        """The <DisplayName>. S3 stopped sending it in 2025; clients still show it."""


def add_owner(parent: etree._Element, name: str, owner: Owner) -> None:
    """Append <Owner> or <Initiator>, whichever the name says."""
    add_row(parent, name, {"ID": owner.canonical_id, "DisplayName": owner.name})


def owner_row(name: str, owner: Owner) -> str:
    """Return what add_owner appends, as a row of to_bytes()."""
    return (
        f"<{name}><ID>{owner.canonical_id}</ID>"
        f"<DisplayName>{escaped(owner.name)}</DisplayName></{name}>"
    )
