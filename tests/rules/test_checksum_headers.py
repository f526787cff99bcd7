import base64
import hashlib

import pytest

from server.errors import ErrorCode, S3Error
from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from server.rules.checksum_headers import (
    BodyChecksum,
    HeaderChecksum,
    TrailerChecksum,
    check_checksum,
    check_content_md5,
    check_content_sha256,
    check_digest_sent,
    check_object_checksum,
    parse_body_checksum,
    parse_content_md5,
    parse_copy_checksum,
    parse_object_checksum,
    parse_trailer_value,
    parse_upload_checksum,
)

CRC32, CRC32C = ChecksumAlgorithm.CRC32, ChecksumAlgorithm.CRC32C
CRC64NVME = ChecksumAlgorithm.CRC64NVME
SHA1, SHA256 = ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256
COMPOSITE, FULL_OBJECT = ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT
VALUE = "2H9+DA=="
TRAILER = {"x-amz-trailer": "x-amz-checksum-crc32"}


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"x-amz-checksum-mode": "ENABLED"}, None, id="a header without a value"),
        pytest.param({"x-amz-checksum-crc32": VALUE}, HeaderChecksum(CRC32, VALUE), id="header"),
        pytest.param(
            {"x-amz-checksum-crc32": VALUE, "x-amz-sdk-checksum-algorithm": "crc32"},
            HeaderChecksum(CRC32, VALUE),
            id="header and its algorithm",
        ),
        pytest.param(TRAILER, TrailerChecksum(CRC32), id="trailer"),
        pytest.param(
            {**TRAILER, "x-amz-sdk-checksum-algorithm": "CRC32"},
            TrailerChecksum(CRC32),
            id="trailer and its algorithm",
        ),
    ],
)
def test_parse_body_checksum_reads(headers: dict[str, str], claim: BodyChecksum | None) -> None:
    assert parse_body_checksum(headers) == claim


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        pytest.param(
            {"x-amz-checksum-crc32": "2H9+"},
            "Value for x-amz-checksum-crc32 header is invalid.",
            id="too short",
        ),
        pytest.param(
            {"x-amz-checksum-crc32": ""},
            "Value for x-amz-checksum-crc32 header is invalid.",
            id="empty",
        ),
        pytest.param(
            {"x-amz-checksum-crc32": VALUE, "x-amz-checksum-crc32c": VALUE},
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            id="two headers",
        ),
        pytest.param(
            {"x-amz-checksum-crc32": VALUE, **TRAILER},
            "Expecting a single x-amz-checksum- header",
            id="header and trailer",
        ),
        pytest.param(
            {"x-amz-checksum-crc16": VALUE},
            "The algorithm type you specified in x-amz-checksum- header is invalid.",
            id="unknown header",
        ),
        pytest.param(
            {"x-amz-trailer": "x-amz-checksum-crc16"},
            "The value specified in the x-amz-trailer header is not supported",
            id="unknown trailer",
        ),
        pytest.param(
            {"x-amz-sdk-checksum-algorithm": "CRC32"},
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or"
            " x-amz-trailer headers were found.",
            id="algorithm alone",
        ),
        pytest.param(
            {"x-amz-sdk-checksum-algorithm": "CRC32C", "x-amz-checksum-crc32": VALUE},
            "Value for x-amz-sdk-checksum-algorithm header is invalid.",
            id="algorithm of another checksum",
        ),
        pytest.param(
            {"x-amz-sdk-checksum-algorithm": "MD4", "x-amz-checksum-crc32": VALUE},
            "Checksum algorithm provided is unsupported. Please try again with any of the valid"
            " types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            id="unknown algorithm",
        ),
    ],
)
def test_parse_body_checksum_refuses_in_s3s_words(headers: dict[str, str], message: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_body_checksum(headers)

    assert (caught.value.code, caught.value.message) == (ErrorCode.InvalidRequest, message)


@pytest.mark.parametrize("name", ["sha512", "md5", "xxhash64", "xxhash3", "xxhash128"])
def test_algorithms_of_2026_are_not_implemented_under_their_own_name(name: str) -> None:
    header = f"x-amz-checksum-{name}"

    with pytest.raises(S3Error) as value:
        parse_body_checksum({header: VALUE})
    with pytest.raises(S3Error) as trailer:
        parse_body_checksum({"x-amz-trailer": header})
    with pytest.raises(S3Error) as upload:
        parse_upload_checksum({"x-amz-checksum-algorithm": name.upper()})

    codes = {caught.value.code for caught in (value, trailer, upload)}
    assert codes == {ErrorCode.NotImplemented}
    assert value.value.detail["Header"] == header


def test_parse_trailer_value_refuses_a_malformed_value() -> None:
    assert parse_trailer_value(CRC32, VALUE) == HeaderChecksum(CRC32, VALUE)

    with pytest.raises(S3Error) as caught:
        parse_trailer_value(CRC32, "2H9+")

    assert caught.value.message == "Value for x-amz-checksum-crc32 trailing header is invalid."


@pytest.mark.parametrize(
    ("algorithm", "checksum_type", "chosen"),
    [
        pytest.param("CRC32", None, (CRC32, COMPOSITE), id="CRC32"),
        pytest.param("CRC32C", None, (CRC32C, COMPOSITE), id="CRC32C"),
        pytest.param("CRC64NVME", None, (CRC64NVME, FULL_OBJECT), id="CRC64NVME"),
        pytest.param("SHA1", None, (SHA1, COMPOSITE), id="SHA1"),
        pytest.param("SHA256", None, (SHA256, COMPOSITE), id="SHA256"),
        pytest.param("crc32", "full_object", (CRC32, FULL_OBJECT), id="any case"),
        pytest.param("CRC32C", "FULL_OBJECT", (CRC32C, FULL_OBJECT), id="CRC32C of the whole"),
        pytest.param("CRC64NVME", "FULL_OBJECT", (CRC64NVME, FULL_OBJECT), id="CRC64NVME, stated"),
        pytest.param("SHA1", "COMPOSITE", (SHA1, COMPOSITE), id="SHA1, stated"),
        pytest.param(None, None, None, id="none"),
    ],
)
def test_parse_upload_checksum_chooses(
    algorithm: str | None,
    checksum_type: str | None,
    chosen: tuple[ChecksumAlgorithm, ChecksumType] | None,
) -> None:
    """S3 User Guide, "Checking object integrity"."""
    sent = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": checksum_type}

    headers = {name: value for name, value in sent.items() if value is not None}

    assert parse_upload_checksum(headers) == chosen


@pytest.mark.parametrize(
    ("algorithm", "checksum_type", "message"),
    [
        pytest.param(
            "CRC64NVME",
            "COMPOSITE",
            "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.",
            id="CRC64NVME of parts",
        ),
        pytest.param(
            "SHA256",
            "FULL_OBJECT",
            "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
            id="SHA256 of the whole",
        ),
        pytest.param(
            None,
            "COMPOSITE",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm"
            " header.",
            id="type alone",
        ),
        pytest.param(
            "CRC32", "WHOLE", "Value for x-amz-checksum-type header is invalid.", id="unknown type"
        ),
    ],
)
def test_parse_upload_checksum_refuses_in_s3s_words(
    algorithm: str | None, checksum_type: str, message: str
) -> None:
    headers = {"x-amz-checksum-type": checksum_type}
    headers |= {} if algorithm is None else {"x-amz-checksum-algorithm": algorithm}

    with pytest.raises(S3Error) as caught:
        parse_upload_checksum(headers)

    assert (caught.value.code, caught.value.message) == (ErrorCode.InvalidRequest, message)


def test_parse_copy_checksum_reads_the_algorithm() -> None:
    assert parse_copy_checksum({"x-amz-checksum-algorithm": "sha256"}) is SHA256
    assert parse_copy_checksum({}) is None


@pytest.mark.parametrize("value", [VALUE, VALUE + "-3"])
def test_parse_object_checksum_takes_a_composite_value_with_or_without_its_count(
    value: str,
) -> None:
    claim = parse_object_checksum({"x-amz-checksum-crc32": value}, (CRC32, COMPOSITE))

    assert claim == Checksum(CRC32, COMPOSITE, value)
    check_object_checksum(claim, Checksum(CRC32, COMPOSITE, VALUE + "-3"))


def test_parse_object_checksum_knows_the_checksum_of_an_upload_that_chose_none() -> None:
    value = base64.b64encode(bytes(8)).decode()

    claim = parse_object_checksum(
        {"x-amz-checksum-crc64nvme": value, "x-amz-checksum-type": "FULL_OBJECT"}, None
    )

    assert claim == Checksum(CRC64NVME, FULL_OBJECT, value)
    assert parse_object_checksum({}, None) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param(
            {"x-amz-checksum-type": "FULL_OBJECT"}, ErrorCode.InvalidRequest, id="another type"
        ),
        pytest.param({"x-amz-checksum-crc32": "no"}, ErrorCode.InvalidRequest, id="malformed"),
        pytest.param({"x-amz-checksum-crc32c": VALUE}, ErrorCode.BadDigest, id="another algorithm"),
    ],
)
def test_parse_object_checksum_refuses_what_is_not_the_uploads(
    headers: dict[str, str], code: ErrorCode
) -> None:
    with pytest.raises(S3Error) as caught:
        parse_object_checksum(headers, (CRC32, COMPOSITE))

    assert caught.value.code is code


@pytest.mark.parametrize("value", ["AAAAAA==", "AAAAAA==-3", VALUE + "-2"])
def test_check_object_checksum_refuses_another_value(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_object_checksum(
            Checksum(CRC32, COMPOSITE, value), Checksum(CRC32, COMPOSITE, VALUE + "-3")
        )

    assert caught.value.code is ErrorCode.BadDigest


def test_check_checksum_names_the_algorithm() -> None:
    """S3's own words, seen in reports of 2023 to 2025."""
    check_checksum(HeaderChecksum(CRC32, VALUE), VALUE)

    with pytest.raises(S3Error) as caught:
        check_checksum(HeaderChecksum(CRC32, VALUE), "AAAAAA==")

    assert caught.value.code is ErrorCode.BadDigest
    assert caught.value.message == "The CRC32 you specified did not match the calculated checksum."


def test_content_md5_is_compared_with_the_body() -> None:
    md5 = hashlib.md5(b"body")
    headers = {"content-md5": base64.b64encode(md5.digest()).decode()}

    assert parse_content_md5({}) is None
    check_content_md5(None, md5.hexdigest())
    check_content_md5(parse_content_md5(headers), md5.hexdigest())
    with pytest.raises(S3Error) as caught:
        check_content_md5(parse_content_md5(headers), hashlib.md5(b"other").hexdigest())

    assert caught.value.code is ErrorCode.BadDigest
    assert caught.value.detail["ExpectedDigest"] == md5.hexdigest()


@pytest.mark.parametrize("value", ["", "AAAA", "rubbish", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8A\n"])
def test_content_md5_must_be_base64_of_16_bytes(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_content_md5({"content-md5": value})

    assert caught.value.code is ErrorCode.InvalidDigest
    assert caught.value.detail == {"Content-MD5": value}


def test_content_sha256_is_compared_with_the_body() -> None:
    sha256 = hashlib.sha256(b"body")
    check_content_sha256(sha256.hexdigest(), sha256.digest())

    with pytest.raises(S3Error) as caught:
        check_content_sha256("0" * 64, sha256.digest())

    assert caught.value.code is ErrorCode.XAmzContentSHA256Mismatch
    assert caught.value.detail == {
        "ClientComputedContentSHA256": "0" * 64,
        "S3ComputedContentSHA256": sha256.hexdigest(),
    }


@pytest.mark.parametrize(
    "headers", [{"content-md5": "x"}, {"x-amz-checksum-crc32": VALUE}, TRAILER]
)
def test_check_digest_sent_takes_any_digest(headers: dict[str, str]) -> None:
    check_digest_sent(headers)


def test_check_digest_sent_refuses_none() -> None:
    with pytest.raises(S3Error) as caught:
        check_digest_sent({})

    assert caught.value.code is ErrorCode.InvalidRequest
