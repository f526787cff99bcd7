"""The references are hashlib, zlib and two CRCs computed bit by bit."""

import base64
import hashlib
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.model.blob import BLOCK_BYTES, BLOCK_CRC_BYTES
from server.model.checksum import ChecksumAlgorithm
from server.rules.checksums import (
    CHECKSUM_BYTES,
    BodyDigests,
    checksum_of,
    composite_checksum,
    crc64nvme_of_blocks,
    full_object_checksum,
    is_checksum,
    verify_block,
)

BODY = bytes(range(256)) * 9000  # 2.2 blocks
CRCS = [ChecksumAlgorithm.CRC32, ChecksumAlgorithm.CRC32C, ChecksumAlgorithm.CRC64NVME]


def reflected_crc(data: bytes, *, polynomial: int, bits: int) -> bytes:
    crc = mask = (1 << bits) - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return (crc ^ mask).to_bytes(bits // 8, "big")


def reference(algorithm: ChecksumAlgorithm, data: bytes) -> str:
    digest = {
        ChecksumAlgorithm.CRC32: lambda: zlib.crc32(data).to_bytes(4, "big"),
        ChecksumAlgorithm.CRC32C: lambda: reflected_crc(data, polynomial=0x82F63B78, bits=32),
        ChecksumAlgorithm.CRC64NVME: lambda: reflected_crc(
            data, polynomial=0x9A6C9329AC4BC9B5, bits=64
        ),
        ChecksumAlgorithm.SHA1: lambda: hashlib.sha1(data).digest(),
        ChecksumAlgorithm.SHA256: lambda: hashlib.sha256(data).digest(),
    }[algorithm]()
    return base64.b64encode(digest).decode()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@pytest.mark.parametrize("algorithm", ChecksumAlgorithm)
@given(data=st.binary(max_size=400))
@settings(max_examples=30)
def test_checksum_of_agrees_with_the_reference(algorithm: ChecksumAlgorithm, data: bytes) -> None:
    assert checksum_of(algorithm, data) == reference(algorithm, data)


@pytest.mark.parametrize("algorithm", ChecksumAlgorithm)
@pytest.mark.parametrize("blocks", [True, False])
@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0), max_size=5))
@settings(max_examples=20)
def test_body_digests_do_not_care_how_the_body_is_cut(
    algorithm: ChecksumAlgorithm, blocks: bool, data: bytes, cuts: list[int]
) -> None:
    digests = BodyDigests(algorithm, blocks=blocks)

    for piece in pieces(data, cuts):
        digests.update(memoryview(piece))

    assert digests.size == len(data)
    assert digests.md5_hex == hashlib.md5(data).hexdigest()
    assert digests.sha256 == hashlib.sha256(data).digest()
    assert digests.checksum(algorithm) == reference(algorithm, data)


@pytest.mark.parametrize(
    "size",
    [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, len(BODY)],
)
@pytest.mark.parametrize("step", [len(BODY), 65_536, 65_537])
def test_block_crcs_verify_each_block_and_combine_to_the_whole(size: int, step: int) -> None:
    body = BODY[:size]
    digests = BodyDigests(None, blocks=True)

    for start in range(0, size, step):
        digests.update(body[start : start + step])

    crcs = digests.block_crcs
    assert len(crcs) == -(-size // BLOCK_BYTES) * BLOCK_CRC_BYTES
    assert all(
        verify_block(
            body[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES],
            crcs[number * BLOCK_CRC_BYTES : (number + 1) * BLOCK_CRC_BYTES],
        )
        for number in range(len(crcs) // BLOCK_CRC_BYTES)
    )
    whole = checksum_of(ChecksumAlgorithm.CRC64NVME, body)
    assert digests.checksum(ChecksumAlgorithm.CRC64NVME) == whole
    assert crc64nvme_of_blocks(crcs, size) == whole


def test_verify_block_notices_one_flipped_bit() -> None:
    digests = BodyDigests(None, blocks=True)
    digests.update(b"block")

    assert verify_block(b"block", digests.block_crcs)
    assert not verify_block(b"clock", digests.block_crcs)
    assert not verify_block(b"block", b"")


def test_a_digest_that_was_not_asked_for_is_not_there() -> None:
    digests = BodyDigests(None, sha256=False, blocks=False)

    assert digests.block_crcs == b""
    with pytest.raises(KeyError):
        _ = digests.sha256
    with pytest.raises(KeyError):
        digests.checksum(ChecksumAlgorithm.CRC32)


def test_digests_can_be_read_before_the_body_ends() -> None:
    digests = BodyDigests(ChecksumAlgorithm.CRC32, blocks=True)
    digests.update(b"first")
    early = digests.checksum(ChecksumAlgorithm.CRC32), digests.block_crcs
    digests.update(b"second")

    assert early[0] == checksum_of(ChecksumAlgorithm.CRC32, b"first")
    assert verify_block(b"first", early[1])
    assert verify_block(b"firstsecond", digests.block_crcs)


@pytest.mark.parametrize("algorithm", CRCS)
@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0), max_size=5))
@settings(max_examples=30)
def test_full_object_checksum_combines_the_parts(
    algorithm: ChecksumAlgorithm, data: bytes, cuts: list[int]
) -> None:
    parts = [(checksum_of(algorithm, piece), len(piece)) for piece in pieces(data, cuts)]

    assert full_object_checksum(algorithm, parts) == checksum_of(algorithm, data)


@pytest.mark.parametrize("algorithm", ChecksumAlgorithm)
def test_composite_checksum_is_that_of_the_parts_checksums_and_their_count(
    algorithm: ChecksumAlgorithm,
) -> None:
    first, second = checksum_of(algorithm, b"first"), checksum_of(algorithm, b"second")
    joined = base64.b64decode(first) + base64.b64decode(second)

    composite = composite_checksum(algorithm, [first, second])

    assert composite == checksum_of(algorithm, joined) + "-2"


def test_composite_sha256_of_an_upload_of_one_part_is_what_s3_gives() -> None:
    """An upload of one part whose SHA-256 this is, answered by S3 in 2026."""
    part = "n7gWa0Gp88JMie9iljKcv731WbPhWtFVibhxsVB8FAw="

    composite = composite_checksum(ChecksumAlgorithm.SHA256, [part])

    assert composite == "D0xEU2q/FgypQljU/eaDWTSRcnDG3KQGOtevJWcmMRY=-1"


@pytest.mark.parametrize("algorithm", ChecksumAlgorithm)
def test_is_checksum_takes_base64_of_the_right_length(algorithm: ChecksumAlgorithm) -> None:
    assert is_checksum(algorithm, base64.b64encode(bytes(CHECKSUM_BYTES[algorithm])).decode())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("AAAA", id="too short"),
        pytest.param("AAAAAAAA", id="too long"),
        pytest.param("AAAAAA", id="no padding"),
        pytest.param("AAAAAA==\n", id="newline"),
        pytest.param("AA AAAA==", id="space"),
        pytest.param("AAAAA!==", id="rubbish that b64decode would skip"),
        pytest.param("-_AAAA==", id="URL-safe alphabet"),
        pytest.param("AAAAAB==", id="stray bits at the end"),
        pytest.param("ÄAAAAA==", id="not ASCII"),
    ],
)
def test_is_checksum_refuses(text: str) -> None:
    assert not is_checksum(ChecksumAlgorithm.CRC32, text)
