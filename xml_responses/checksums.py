"""Checksums in documents: the name of the element is that of the algorithm."""

from typing import Protocol


class Checksum(Protocol):
    """A checksum of an object."""

    @property
    def algorithm(self) -> str:
        """S3's own spelling, e.g. "CRC64NVME"."""

    @property
    def type(self) -> str:
        """COMPOSITE or FULL_OBJECT."""

    @property
    def value(self) -> str:
        """Base64, with "-<parts>" for COMPOSITE."""


def object_checksum_members(checksum: Checksum | None) -> dict[str, str]:
    """Return the elements for the checksum of an object: its value, then its type."""
    if checksum is None:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum.type}


def part_checksum_members(algorithm: str | None, value: str | None) -> dict[str, str]:
    """Return the element for the checksum of a part, which never has a type."""
    if algorithm is None or value is None:
        return {}
    return {f"Checksum{algorithm}": value}
