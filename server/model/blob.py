"""What a body is once it is stored: bytes in the row, one blob, or slices of many blobs."""

from server.model.names import BlobDigest
from server.model.value import value

# Reads are verified in blocks of this size: invariant D9. Part of the layout of a blob's CRCs.
BLOCK_BYTES = 1 << 20
# A CRC64NVME, big-endian, for each block of the blob; the last block may be short.
BLOCK_CRC_BYTES = 8


@value()
class Blob:
    """One immutable file of the blob directory, named by the SHA-256 of what it holds."""

    digest: BlobDigest
    size: int  # bytes
    block_crcs: bytes  # BLOCK_CRC_BYTES for each BLOCK_BYTES of the blob; empty for an empty blob


@value()
class Slice:
    """A range of one blob: where a part of an object lies."""

    blob: Blob
    offset: int  # first byte, counted from the start of the blob
    length: int  # bytes, at least 1


@value()
class InlineBody:
    """A small body, kept in the row of its version."""

    data: bytes


@value()
class BlobBody:
    """A body that is exactly one blob."""

    blob: Blob


@value()
class ManifestBody:
    """A body made of parts; the manifest lists them. Copies of an object share its manifest."""

    manifest_id: int
    parts: int  # how many parts CompleteMultipartUpload named, 1 to 10,000


StoredBody = InlineBody | BlobBody | ManifestBody
