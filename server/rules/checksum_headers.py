"""What a request says of checksums, which of it S3 allows, and how a mismatch is told.

Source: S3 User Guide, "Checking object integrity"; answers of S3 recorded in 2025.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from server.errors import ErrorCode, S3Error
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.rules.arguments import header_not_implemented, printable
from server.rules.checksums import is_base64_of, is_checksum

_PREFIX: Final = "x-amz-checksum-"
_BY_HEADER: Final = {algorithm.header: algorithm for algorithm in ChecksumAlgorithm}
# These begin with the prefix and carry no value.
_NO_VALUE: Final = frozenset(
    {"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"}
)
# S3 has taken these since 2026.
_FUTURE: Final = frozenset({"SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"})
_FUTURE_REASON: Final = "This server does not compute this checksum algorithm."
_VALID_ALGORITHMS: Final = ", ".join(sorted(ChecksumAlgorithm))

_COMPOSITE_ONLY: Final = frozenset({ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256})


@dataclass(frozen=True, slots=True)
class HeaderChecksum:
    """The request's x-amz-checksum-… header has the checksum of the body."""

    algorithm: ChecksumAlgorithm
    value: str  # base64


@dataclass(frozen=True, slots=True)
class TrailerChecksum:
    """A trailer of the aws-chunked body will have the checksum; x-amz-trailer announces it."""

    algorithm: ChecksumAlgorithm


BodyChecksum = HeaderChecksum | TrailerChecksum


def parse_body_checksum(headers: Mapping[str, str]) -> BodyChecksum | None:
    """Return the checksum that comes with the body of PutObject, UploadPart and DeleteObjects.

    Raises S3Error InvalidRequest (400) for a malformed value, an unknown algorithm, more than one
    checksum, and an x-amz-sdk-checksum-algorithm without or beside its checksum; NotImplemented
    (501) for the algorithms that S3 has and this server does not.
    """
    in_header = _header_checksum(headers)
    in_trailer = _trailer_checksum(headers)
    if in_header is not None and in_trailer is not None:
        raise _invalid("Expecting a single x-amz-checksum- header")
    claim = in_header or in_trailer
    stated = headers.get("x-amz-sdk-checksum-algorithm")
    if stated is not None:
        algorithm = _algorithm("x-amz-sdk-checksum-algorithm", stated)
        if claim is None:
            raise _invalid(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or"
                " x-amz-trailer headers were found."
            )
        if claim.algorithm is not algorithm:
            raise _invalid_value("x-amz-sdk-checksum-algorithm")
    return claim


def parse_trailer_value(algorithm: ChecksumAlgorithm, value: str) -> HeaderChecksum:
    """Return what an announced trailer turned out to say.

    Raises S3Error InvalidRequest (400) for a malformed value.
    """
    if not is_checksum(algorithm, value):
        raise _invalid(f"Value for {algorithm.header} trailing header is invalid.")
    return HeaderChecksum(algorithm, value)


def parse_copy_checksum(headers: Mapping[str, str]) -> ChecksumAlgorithm | None:
    """Return the algorithm that CopyObject shall compute for the new object, if it names one."""
    name = "x-amz-checksum-algorithm"
    return _algorithm(name, headers[name]) if name in headers else None


def parse_upload_checksum(
    headers: Mapping[str, str],
) -> tuple[ChecksumAlgorithm, ChecksumType] | None:
    """Return algorithm and type that CreateMultipartUpload chooses, or None where it does not.

    Raises S3Error InvalidRequest (400) for a pair that S3 does not have: a CRC64NVME is never
    COMPOSITE, a SHA never FULL_OBJECT. Without a type CRC64NVME is FULL_OBJECT, the others
    COMPOSITE.
    """
    stated_type = _checksum_type(headers)
    algorithm = parse_copy_checksum(headers)
    if algorithm is None:
        if stated_type is not None:
            raise _invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm"
                " header."
            )
        return None
    checksum_type = stated_type or default_type(algorithm)
    if not allows(algorithm, checksum_type):
        raise _invalid(
            f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()}"
            " checksum algorithm."
        )
    return algorithm, checksum_type


def parse_object_checksum(
    headers: Mapping[str, str], upload: tuple[ChecksumAlgorithm, ChecksumType] | None
) -> Checksum | None:
    """Return the checksum of the whole object that CompleteMultipartUpload expects, if it does.

    upload: what CreateMultipartUpload chose; None is S3's own CRC64NVME over the whole object.

    Raises S3Error InvalidRequest (400) where value, algorithm or type are not the upload's.
    """
    algorithm, checksum_type = upload or (ChecksumAlgorithm.CRC64NVME, ChecksumType.FULL_OBJECT)
    stated_type = _checksum_type(headers)
    if stated_type not in (None, checksum_type):
        raise _invalid(
            f"The upload was created using the {checksum_type} checksum mode. The complete request"
            " must use the same checksum mode."
        )
    header = _only_value_header(headers)
    if header is None:
        return None
    stated = _algorithm_of_header(header)
    # The count is optional: clients may send the composite value with or without it.
    value, _, _ = headers[header].partition("-")
    if not is_checksum(stated, value):
        raise _invalid_value(header)
    if stated is not algorithm:
        raise S3Error(
            ErrorCode.BadDigest,
            f"The {stated.lower()} you specified did not match the calculated checksum.",
        )
    return Checksum(algorithm, checksum_type, headers[header])


def default_type(algorithm: ChecksumAlgorithm) -> ChecksumType:
    """Return the type of a multipart upload that names the algorithm alone."""
    if algorithm is ChecksumAlgorithm.CRC64NVME:
        return ChecksumType.FULL_OBJECT
    return ChecksumType.COMPOSITE


def allows(algorithm: ChecksumAlgorithm, checksum_type: ChecksumType) -> bool:
    """Tell whether a multipart upload can have this algorithm with this type."""
    if checksum_type is ChecksumType.COMPOSITE:
        return algorithm is not ChecksumAlgorithm.CRC64NVME
    return algorithm not in _COMPOSITE_ONLY


def check_checksum(claim: HeaderChecksum, calculated: str) -> None:
    """Raise S3Error BadDigest (400) where the body has another checksum than the client says."""
    if claim.value != calculated:
        raise checksum_mismatch(claim.algorithm)


def check_object_checksum(claim: Checksum, calculated: Checksum) -> None:
    """Raise S3Error BadDigest (400) where the completed object has another checksum.

    claim: of parse_object_checksum; a COMPOSITE value may lack its "-<parts>".
    """
    if claim.value not in (calculated.value, calculated.value.partition("-")[0]):
        raise checksum_mismatch(claim.algorithm)


def checksum_mismatch(algorithm: ChecksumAlgorithm) -> S3Error:
    """Return BadDigest (400) in S3's words."""
    return S3Error(
        ErrorCode.BadDigest,
        f"The {algorithm} you specified did not match the calculated checksum.",
    )


def parse_content_md5(headers: Mapping[str, str]) -> str | None:
    """Return the Content-MD5 as lower-case hex, or None.

    Raises S3Error InvalidDigest (400) unless it is base64 of 16 bytes.
    """
    value = headers.get("content-md5")
    if value is None:
        return None
    if not is_base64_of(16, value):
        raise S3Error(
            ErrorCode.InvalidDigest,
            "The Content-MD5 you specified was invalid.",
            headers=None,
            **{"Content-MD5": printable(value)},
        )
    return base64.b64decode(value).hex()


def check_content_md5(stated_hex: str | None, md5_hex: str) -> None:
    """Raise S3Error BadDigest (400) where the body has another MD5 than Content-MD5 says."""
    if stated_hex is not None and stated_hex != md5_hex:
        raise S3Error(
            ErrorCode.BadDigest,
            "The Content-MD5 you specified did not match what we received.",
            ExpectedDigest=stated_hex,
            CalculatedDigest=base64.b64encode(bytes.fromhex(md5_hex)).decode("ascii"),
        )


def check_content_sha256(stated_hex: str, sha256: bytes) -> None:
    """Raise S3Error XAmzContentSHA256Mismatch (400) where x-amz-content-sha256 is not the body's.

    stated_hex: 64 lower-case hex digits; the signed literals are the caller's business.
    """
    if stated_hex != sha256.hex():
        raise S3Error(
            ErrorCode.XAmzContentSHA256Mismatch,
            ClientComputedContentSHA256=stated_hex,
            S3ComputedContentSHA256=sha256.hex(),
        )


def check_digest_sent(headers: Mapping[str, str]) -> None:
    """Raise S3Error InvalidRequest (400) unless the request has a digest, as DeleteObjects must."""
    if "content-md5" not in headers and parse_body_checksum(headers) is None:
        raise _invalid("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _header_checksum(headers: Mapping[str, str]) -> HeaderChecksum | None:
    header = _only_value_header(headers)
    if header is None:
        return None
    algorithm = _algorithm_of_header(header)
    if not is_checksum(algorithm, headers[header]):
        raise _invalid_value(header)
    return HeaderChecksum(algorithm, headers[header])


def _trailer_checksum(headers: Mapping[str, str]) -> TrailerChecksum | None:
    announced = headers.get("x-amz-trailer")
    if announced is None:
        return None
    algorithm = _BY_HEADER.get(announced.strip().lower())
    if algorithm is not None:
        return TrailerChecksum(algorithm)
    _refuse_future(announced.strip().lower().removeprefix(_PREFIX).upper(), "x-amz-trailer")
    raise _invalid("The value specified in the x-amz-trailer header is not supported")


def _only_value_header(headers: Mapping[str, str]) -> str | None:
    found = [name for name in headers if name.startswith(_PREFIX) and name not in _NO_VALUE]
    if len(found) > 1:
        raise _invalid(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    return found[0] if found else None


def _algorithm_of_header(header: str) -> ChecksumAlgorithm:
    algorithm = _BY_HEADER.get(header)
    if algorithm is not None:
        return algorithm
    _refuse_future(header.removeprefix(_PREFIX).upper(), header)
    raise _invalid("The algorithm type you specified in x-amz-checksum- header is invalid.")


def _algorithm(header: str, text: str) -> ChecksumAlgorithm:
    name = text.upper()
    if name in ChecksumAlgorithm.__members__:
        return ChecksumAlgorithm[name]
    _refuse_future(name, header)
    raise _invalid(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types:"
        f" [{_VALID_ALGORITHMS}]"
    )


def _checksum_type(headers: Mapping[str, str]) -> ChecksumType | None:
    text = headers.get("x-amz-checksum-type")
    if text is None:
        return None
    if text.upper() not in ChecksumType.__members__:
        raise _invalid_value("x-amz-checksum-type")
    return ChecksumType[text.upper()]


def _refuse_future(algorithm: str, header: str) -> None:
    if algorithm in _FUTURE:
        raise header_not_implemented(header, _FUTURE_REASON)


def _invalid_value(header: str) -> S3Error:
    return _invalid(f"Value for {header} header is invalid.")


def _invalid(message: str) -> S3Error:
    return S3Error(ErrorCode.InvalidRequest, message)
