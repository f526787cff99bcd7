"""A checksum as S3 knows it: algorithm, type and value."""

from enum import StrEnum

from server.model.value import value


class ChecksumAlgorithm(StrEnum):
    """The algorithms that an upload may name; the value is S3's own spelling."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"

    @property
    def header(self) -> str:
        """Return the header that carries a value of this algorithm, lower case."""
        return f"x-amz-checksum-{self.value.lower()}"


class ChecksumType(StrEnum):
    """What the value was computed over: all bytes, or the checksums of the parts."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


@value()
class Checksum:
    """One checksum of an object, a part or a body."""

    algorithm: ChecksumAlgorithm
    type: ChecksumType
    value: str  # base64 of the big-endian bytes; COMPOSITE values end in "-<parts>"
