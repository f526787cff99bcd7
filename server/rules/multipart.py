"""Multipart uploads: part numbers, upload ids, and whether an upload can be completed.

Source: S3 API reference, UploadPart and CompleteMultipartUpload; S3 User Guide, "Amazon S3
multipart upload limits"; answers of S3 recorded in 2025.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import ETag, UploadId
from server.rules.arguments import invalid_argument
from server.rules.checksums import composite_checksum, full_object_checksum
from server.rules.entity_sizes import check_object_size
from server.rules.limits import MAX_PARTS, MIN_PART
from server.rules.numbers import parse_digits

UPLOAD_ID_RANDOM_BYTES: Final = 48
_UPLOAD_ID: Final = re.compile(r"[A-Za-z0-9._]{64}", re.ASCII)
_MAX_SIZE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RequestedPart:
    """One <Part> of CompleteMultipartUpload."""

    number: int
    etag: ETag
    # base64; S3 wants them where the upload's checksum is COMPOSITE.
    checksums: Mapping[ChecksumAlgorithm, str]


def parse_part_number(text: str) -> int:
    """Return the part number of a query, 1 to 10,000. Raises S3Error InvalidArgument (400)."""
    number = parse_digits(text, MAX_PARTS)
    if not number:
        raise invalid_argument(
            f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive",
            "partNumber",
            text,
        )
    return number


def new_upload_id(random: bytes) -> UploadId:
    """Return an upload id: 64 characters that need no escaping in a URL.

    random: UPLOAD_ID_RANDOM_BYTES that nobody can guess.

    It never begins with "-", which s3cmd would take for an option.
    """
    return UploadId(base64.b64encode(random, altchars=b"._").decode("ascii"))


def is_upload_id(text: str) -> bool:
    """Tell whether this server could have given out the upload id."""
    return _UPLOAD_ID.fullmatch(text) is not None


def no_such_upload(upload_id: str) -> S3Error:
    """Return NoSuchUpload (404) with the id."""
    return S3Error(ErrorCode.NoSuchUpload, UploadId=upload_id)


def check_part_algorithm(upload: MultipartUpload, algorithm: ChecksumAlgorithm | None) -> None:
    """Return where a part with this checksum may join the upload.

    algorithm: of the checksum that came with the part; None where none came.

    An upload that chose no checksum takes any. A COMPOSITE one wants its own with each part, a
    FULL_OBJECT one its own or none. Raises S3Error InvalidRequest (400).
    """
    expected = upload.checksum_algorithm
    if expected is None or algorithm is expected:
        return
    if algorithm is None and upload.checksum_type is ChecksumType.FULL_OBJECT:
        return
    actual = "null" if algorithm is None else algorithm.lower()
    raise S3Error(
        ErrorCode.InvalidRequest,
        f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()},"
        f" actual checksum Type: {actual}",
    )


def check_parts(
    requested: Sequence[RequestedPart], stored: Mapping[int, Part], upload: MultipartUpload
) -> tuple[Part, ...]:
    """Return the stored parts that the completed object is made of, in order.

    requested: as the client listed them.
    stored:    by number; parts that the client does not list are left out of the object.

    Raises S3Error MalformedXML (400) for an empty list, InvalidArgument (400) for a part number
    below 1, InvalidPartOrder (400) unless the numbers ascend, InvalidPart (400) for a part that is
    not there or is another one, EntityTooSmall (400) for a part below 5 MiB that is not the last,
    EntityTooLarge (400) for an object beyond 5 TiB, InvalidRequest or BadDigest (400) for the
    checksum of a part.
    """
    if not requested:
        raise S3Error(ErrorCode.MalformedXML)
    _check_order(requested)
    chosen = tuple(_chosen_part(part, stored, upload) for part in requested)
    for part in chosen[:-1]:
        if part.size < MIN_PART:
            raise S3Error(
                ErrorCode.EntityTooSmall,
                ProposedSize=str(part.size),
                MinSizeAllowed=str(MIN_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    check_object_size(sum(part.size for part in chosen))
    return chosen


def object_checksum(parts: Sequence[Part], upload: MultipartUpload) -> Checksum | None:
    """Return the checksum of the completed object, from those of its parts.

    An upload that chose none has S3's own, CRC64NVME over the whole object. None where a part has
    no checksum of the upload's algorithm.
    """
    algorithm = upload.checksum_algorithm or ChecksumAlgorithm.CRC64NVME
    checksum_type = upload.checksum_type or ChecksumType.FULL_OBJECT
    values = [
        (part.checksum, part.size)
        for part in parts
        if part.checksum is not None and part.checksum_algorithm is algorithm
    ]
    if len(values) < len(parts):
        return None
    if checksum_type is ChecksumType.COMPOSITE:
        value = composite_checksum(algorithm, [value for value, _ in values])
    else:
        value = full_object_checksum(algorithm, values)
    return Checksum(algorithm, checksum_type, value)


def check_mp_object_size(headers: Mapping[str, str], size: int) -> None:
    """Raise S3Error InvalidRequest (400) where x-amz-mp-object-size is not the object's size."""
    text = headers.get("x-amz-mp-object-size")
    if text is None:
        return
    stated = parse_digits(text, _MAX_SIZE)
    if stated is None:
        raise S3Error(ErrorCode.InvalidRequest, "Value for x-amz-mp-object-size header is invalid.")
    if stated != size:
        raise S3Error(
            ErrorCode.InvalidRequest,
            f"The provided 'x-amz-mp-object-size' header value {stated} does not match what was"
            f" computed: {size}",
        )


def _check_order(requested: Sequence[RequestedPart]) -> None:
    previous = 0
    for part in requested:
        if part.number < 1:
            raise invalid_argument("PartNumber must be >= 1", "PartNumber", str(part.number))
        if part.number <= previous:
            raise S3Error(ErrorCode.InvalidPartOrder)
        previous = part.number


def _chosen_part(
    requested: RequestedPart, stored: Mapping[int, Part], upload: MultipartUpload
) -> Part:
    part = stored.get(requested.number)
    if part is None or part.etag != requested.etag:
        raise _invalid_part(requested, upload)
    algorithm = upload.checksum_algorithm
    if algorithm is None:
        return part
    value = requested.checksums.get(algorithm)
    if value is not None and value != part.checksum:
        raise _invalid_part(requested, upload)
    if value is None and requested.checksums:
        other = next(iter(requested.checksums))
        raise S3Error(
            ErrorCode.BadDigest,
            f"The {other.lower()} you specified for part {part.number} did not match what we"
            " received.",
        )
    if value is None and upload.checksum_type is ChecksumType.COMPOSITE:
        raise S3Error(
            ErrorCode.InvalidRequest,
            f"The upload was created using a {algorithm.lower()} checksum. The complete request"
            " must include the checksum for each part. It was missing for part"
            f" {part.number} in the request.",
        )
    return part


def _invalid_part(requested: RequestedPart, upload: MultipartUpload) -> S3Error:
    return S3Error(
        ErrorCode.InvalidPart,
        UploadId=upload.upload_id,
        PartNumber=str(requested.number),
        ETag=requested.etag,
    )
