from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.errors import ErrorCode, S3Error
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.model.multipart_upload import MultipartUpload, Part
from server.model.names import ETag, ObjectKey, UploadId
from server.rules.checksums import checksum_of, composite_checksum
from server.rules.limits import MAX_PART, MIN_PART
from server.rules.multipart import (
    UPLOAD_ID_RANDOM_BYTES,
    RequestedPart,
    check_mp_object_size,
    check_part_algorithm,
    check_parts,
    is_upload_id,
    new_upload_id,
    object_checksum,
    parse_part_number,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CRC32, SHA1 = ChecksumAlgorithm.CRC32, ChecksumAlgorithm.SHA1
CRC64NVME = ChecksumAlgorithm.CRC64NVME
COMPOSITE, FULL_OBJECT = ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT
UPLOAD = MultipartUpload(
    id=1,
    upload_id=UploadId("U"),
    key=ObjectKey("key"),
    manifest_id=1,
    initiated=NOW,
    storage_class="STANDARD",
    headers={},
    user_metadata={},
    tags={},
    checksum_algorithm=None,
    checksum_type=None,
)
CRC32_OF_PARTS = replace(UPLOAD, checksum_algorithm=CRC32, checksum_type=COMPOSITE)
CRC32_OF_OBJECT = replace(UPLOAD, checksum_algorithm=CRC32, checksum_type=FULL_OBJECT)


def part(number: int, *, size: int = MIN_PART, body: bytes = b"") -> Part:
    return Part(number, size, ETag(f"etag{number}"), NOW, CRC32, checksum_of(CRC32, body))


def requested(number: int, checksums: dict[ChecksumAlgorithm, str] | None = None) -> RequestedPart:
    return RequestedPart(number, ETag(f"etag{number}"), checksums or {})


def stored(*parts: Part) -> dict[int, Part]:
    return {part.number: part for part in parts}


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("10000", 10000), ("007", 7)])
def test_parse_part_number_reads(text: str, number: int) -> None:
    assert parse_part_number(text) == number


@pytest.mark.parametrize("text", ["0", "10001", "-1", "", "x", "+1", "1_0", "٣", "1\n", "9" * 5000])
def test_parse_part_number_refuses_in_s3s_words(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_part_number(text)

    assert caught.value.code is ErrorCode.InvalidArgument
    assert caught.value.message == "Part number must be an integer between 1 and 10000, inclusive"
    assert caught.value.detail == {"ArgumentName": "partNumber", "ArgumentValue": text}


@pytest.mark.parametrize(
    "random", [bytes(UPLOAD_ID_RANDOM_BYTES), b"\xff" * 48, b"\xfb\xef\xbe" * 16]
)
def test_an_upload_id_is_url_safe_and_never_an_option(random: bytes) -> None:
    """s3cmd takes an upload id that begins with "-" for an option."""
    upload_id = new_upload_id(random)

    assert is_upload_id(upload_id)
    assert upload_id.replace(".", "").replace("_", "").isalnum() or set(upload_id) <= set("._")


@pytest.mark.parametrize("text", ["", "U", "A" * 63, "A" * 65, "A" * 63 + "/", "A" * 64 + "\n"])
def test_is_upload_id_knows_what_this_server_never_gave_out(text: str) -> None:
    assert not is_upload_id(text)


def test_check_parts_returns_the_listed_parts_and_leaves_gaps_and_rests_out() -> None:
    parts = stored(part(2), part(3), part(7), part(9, size=1))

    chosen = check_parts([requested(2), requested(7), requested(9)], parts, UPLOAD)

    assert [chosen_part.number for chosen_part in chosen] == [2, 7, 9]


def test_an_upload_may_have_one_small_or_even_empty_part() -> None:
    assert check_parts([requested(1)], stored(part(1, size=0)), UPLOAD) == (part(1, size=0),)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        pytest.param([], ErrorCode.MalformedXML, id="no part"),
        pytest.param([requested(0)], ErrorCode.InvalidArgument, id="number below 1"),
        pytest.param([requested(2), requested(1)], ErrorCode.InvalidPartOrder, id="descending"),
        pytest.param([requested(1), requested(1)], ErrorCode.InvalidPartOrder, id="twice"),
        pytest.param([requested(3)], ErrorCode.InvalidPart, id="not uploaded"),
        pytest.param([requested(10001)], ErrorCode.InvalidPart, id="number beyond 10,000"),
        pytest.param(
            [RequestedPart(1, ETag("other"), {})], ErrorCode.InvalidPart, id="another ETag"
        ),
    ],
)
def test_check_parts_refuses(parts: list[RequestedPart], code: ErrorCode) -> None:
    with pytest.raises(S3Error) as caught:
        check_parts(parts, stored(part(1), part(2)), UPLOAD)

    assert caught.value.code is code


def test_check_parts_names_the_part_that_is_not_there() -> None:
    with pytest.raises(S3Error) as caught:
        check_parts([requested(1), requested(2)], stored(part(1)), UPLOAD)

    assert caught.value.detail == {"UploadId": "U", "PartNumber": "2", "ETag": "etag2"}


def test_only_the_last_part_may_be_smaller_than_5_mib() -> None:
    parts = stored(part(1, size=MIN_PART - 1), part(2, size=1))

    with pytest.raises(S3Error) as caught:
        check_parts([requested(1), requested(2)], parts, UPLOAD)

    assert caught.value.code is ErrorCode.EntityTooSmall
    assert caught.value.detail == {
        "ProposedSize": "5242879",
        "MinSizeAllowed": "5242880",
        "PartNumber": "1",
        "ETag": "etag1",
    }


def test_parts_may_not_add_up_to_more_than_5_tib() -> None:
    numbers = range(1, 1026)
    parts = stored(*(part(number, size=MAX_PART) for number in numbers))

    check_parts([requested(number) for number in numbers[:1024]], parts, UPLOAD)
    with pytest.raises(S3Error) as caught:
        check_parts([requested(number) for number in numbers], parts, UPLOAD)

    assert caught.value.code is ErrorCode.EntityTooLarge


def test_parts_of_a_full_object_upload_need_no_checksum() -> None:
    assert check_parts([requested(1)], stored(part(1)), CRC32_OF_OBJECT) == (part(1),)


def test_parts_of_an_upload_without_a_checksum_may_bring_one() -> None:
    listed = [requested(1, {SHA1: "anything"})]

    assert check_parts(listed, stored(part(1)), UPLOAD) == (part(1),)


@pytest.mark.parametrize(
    ("checksums", "code", "message"),
    [
        pytest.param(
            {},
            ErrorCode.InvalidRequest,
            "The upload was created using a crc32 checksum. The complete request must include the"
            " checksum for each part. It was missing for part 1 in the request.",
            id="missing",
        ),
        pytest.param(
            {SHA1: "AAAA"},
            ErrorCode.BadDigest,
            "The sha1 you specified for part 1 did not match what we received.",
            id="another algorithm",
        ),
        pytest.param(
            {CRC32: "AAAAAB=="}, ErrorCode.InvalidPart, ErrorCode.InvalidPart.message, id="wrong"
        ),
    ],
)
def test_parts_of_a_composite_upload_need_their_checksum(
    checksums: dict[ChecksumAlgorithm, str], code: ErrorCode, message: str
) -> None:
    """The first is S3's own answer, reported in February 2025."""
    with pytest.raises(S3Error) as caught:
        check_parts([requested(1, checksums)], stored(part(1)), CRC32_OF_PARTS)

    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("upload", "algorithm"),
    [
        pytest.param(UPLOAD, None, id="nothing chosen, none sent"),
        pytest.param(UPLOAD, SHA1, id="nothing chosen, any sent"),
        pytest.param(CRC32_OF_PARTS, CRC32, id="the upload's own"),
        pytest.param(CRC32_OF_OBJECT, None, id="full object, none sent"),
    ],
)
def test_check_part_algorithm_lets_a_part_join(
    upload: MultipartUpload, algorithm: ChecksumAlgorithm | None
) -> None:
    check_part_algorithm(upload, algorithm)


@pytest.mark.parametrize(
    ("upload", "algorithm", "actual"),
    [
        pytest.param(CRC32_OF_PARTS, None, "null", id="composite, none sent"),
        pytest.param(CRC32_OF_PARTS, SHA1, "sha1", id="another one"),
        pytest.param(CRC32_OF_OBJECT, SHA1, "sha1", id="another one, full object"),
    ],
)
def test_check_part_algorithm_refuses_in_s3s_words(
    upload: MultipartUpload, algorithm: ChecksumAlgorithm | None, actual: str
) -> None:
    with pytest.raises(S3Error) as caught:
        check_part_algorithm(upload, algorithm)

    assert caught.value.code is ErrorCode.InvalidRequest
    assert caught.value.message == (
        "Checksum Type mismatch occurred, expected checksum Type: crc32,"
        f" actual checksum Type: {actual}"
    )


def test_object_checksum_is_computed_as_the_upload_chose() -> None:
    parts = [part(1, size=5, body=b"first"), part(2, size=6, body=b"second")]
    composite = composite_checksum(
        CRC32, [checksum_of(CRC32, b"first"), checksum_of(CRC32, b"second")]
    )

    assert object_checksum(parts, CRC32_OF_PARTS) == Checksum(CRC32, COMPOSITE, composite)
    assert object_checksum(parts, CRC32_OF_OBJECT) == Checksum(
        CRC32, FULL_OBJECT, checksum_of(CRC32, b"firstsecond")
    )


def test_object_checksum_of_an_upload_that_chose_none_is_crc64nvme() -> None:
    parts = [
        replace(
            part(1, size=4), checksum_algorithm=CRC64NVME, checksum=checksum_of(CRC64NVME, b"body")
        )
    ]

    assert object_checksum(parts, UPLOAD) == Checksum(
        CRC64NVME, FULL_OBJECT, checksum_of(CRC64NVME, b"body")
    )


def test_object_checksum_is_none_where_a_part_has_none() -> None:
    assert object_checksum([part(1), replace(part(2), checksum=None)], CRC32_OF_PARTS) is None


def test_check_mp_object_size_compares() -> None:
    check_mp_object_size({}, 5)
    check_mp_object_size({"x-amz-mp-object-size": "5"}, 5)


@pytest.mark.parametrize("text", ["6", "-5", "x", ""])
def test_check_mp_object_size_refuses_another_size(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_mp_object_size({"x-amz-mp-object-size": text}, 5)

    assert caught.value.code is ErrorCode.InvalidRequest
