"""The framing of aws-chunked bodies. Published examples are in test_vectors.py."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigv4.chunks import MIN_CHUNK_BYTES
from sigv4.errors import SignatureError
from sigv4.payloads import ChunkedPayload
from tests.sigv4.chunked_bodies import (
    CHECKSUM,
    MODES,
    PLAIN,
    SIGNED,
    SIGNED_WITH_TRAILER,
    UNSIGNED,
    decode,
    decoder_of,
    encode,
    refused,
)


@MODES
def test_a_body_is_decoded(payload: ChunkedPayload) -> None:
    decoder = decoder_of(payload)

    assert decode(decoder, encode(payload)) == PLAIN
    assert decoder.trailers == ({} if payload is SIGNED else {CHECKSUM: "AAAAAA=="})


@MODES
def test_an_empty_body_is_decoded(payload: ChunkedPayload) -> None:
    assert decode(decoder_of(payload, 0), encode(payload, [])) == b""


@MODES
def test_a_body_in_one_small_chunk_is_decoded(payload: ChunkedPayload) -> None:
    assert decode(decoder_of(payload, 1), encode(payload, [b"a"])) == b"a"


@MODES
def test_it_does_not_matter_where_the_network_cuts_in_two(payload: ChunkedPayload) -> None:
    body = encode(payload)

    for cut in range(len(body) + 1):
        assert decode(decoder_of(payload), body[:cut], body[cut:]) == PLAIN


@MODES
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_it_does_not_matter_how_small_the_network_cuts(payload: ChunkedPayload, size: int) -> None:
    body = encode(payload)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]

    assert decode(decoder_of(payload), *pieces) == PLAIN


@MODES
@given(
    sizes=st.lists(st.integers(MIN_CHUNK_BYTES, 3 * MIN_CHUNK_BYTES), max_size=4),
    last=st.integers(1, MIN_CHUNK_BYTES),
    cuts=st.lists(st.integers(0, 100_000)),
)
def test_chunks_of_any_size_are_decoded(
    payload: ChunkedPayload, sizes: list[int], last: int, cuts: list[int]
) -> None:
    data = [bytes([number]) * size for number, size in enumerate([*sizes, last])]
    body = encode(payload, data)
    edges = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    pieces = [body[start:end] for start, end in pairwise(edges)]

    assert decode(decoder_of(payload, sum(map(len, data))), *pieces) == b"".join(data)


@MODES
def test_bytes_come_out_as_they_come_in(payload: ChunkedPayload) -> None:
    """A chunk of 1 GiB is never held: what is fed of it comes out at once."""
    size = 1 << 30
    decoder = decoder_of(payload, size)
    signature = "" if payload is UNSIGNED else f";chunk-signature={'0' * 64}"
    decoder.feed(f"{size:x}{signature}\r\n".encode())

    assert decoder.feed(b"x" * 100_000) == [b"x" * 100_000]


@MODES
def test_a_body_that_ends_early_is_refused_wherever_it_ends(payload: ChunkedPayload) -> None:
    body = encode(payload)
    # Complete with its last signature: the empty line that follows is no more than politeness.
    complete = len(body) - 2 if payload is SIGNED_WITH_TRAILER else len(body)

    for end in range(complete):
        decoder = decoder_of(payload)
        decoder.feed(body[:end])
        with pytest.raises(SignatureError) as refusal:
            decoder.finish()
        assert refusal.value.code == "IncompleteBody"


@MODES
@pytest.mark.parametrize("extra", [b"x", b"\r\nx", b"\0", b"\r\n" * 2, b"\r\n" * 3, b"0\r\n\r\n"])
def test_data_after_the_end_isrefused(payload: ChunkedPayload, extra: bytes) -> None:
    body = encode(payload)

    assert refused(decoder_of(payload), body + extra).code == "IncompleteBody"
    assert refused(decoder_of(payload), body, extra).code == "IncompleteBody"


@MODES
@pytest.mark.parametrize("position", [0, 1])
def test_only_the_last_chunk_may_be_small(payload: ChunkedPayload, position: int) -> None:
    """S3 holds unsigned chunks to it too: aws-sdk-js-v3 issue 6949, versitygw pull request 1675."""
    data = [b"a" * MIN_CHUNK_BYTES, b"b" * MIN_CHUNK_BYTES, b"c"]
    data[position] = data[position][:-1]

    error = refused(decoder_of(payload), encode(payload, data))

    assert error.code == "InvalidChunkSizeError"
    assert error.detail == {"Chunk": str(position + 2), "BadChunkSize": "8191"}


@MODES
@pytest.mark.parametrize("announced", [0, 1, len(PLAIN) - 1, len(PLAIN) + 1, 10**12])
def test_a_body_of_another_length_than_announced_isrefused(
    payload: ChunkedPayload, announced: int
) -> None:
    error = refused(decoder_of(payload, announced), encode(payload))

    assert error.code == "IncompleteBody"
    assert error.detail["NumberBytesExpected"] == str(announced)


@MODES
def test_a_chunk_that_is_too_long_is_refused_before_its_bytes_come(payload: ChunkedPayload) -> None:
    header = encode(payload).partition(b"\n")[0] + b"\n"

    with pytest.raises(SignatureError) as refusal:
        decoder_of(payload, MIN_CHUNK_BYTES - 1).feed(header)

    assert refusal.value.code == "IncompleteBody"


@MODES
@pytest.mark.parametrize(
    "size",
    [
        "",
        "+2000",
        "-1",
        "0x2000",
        "2_000",
        " 2000",
        "2000 ",
        "g",
        "\u0662",
        "0" * 17,
        "2000\r",
        "2000;x=y",
    ],
)
def test_a_chunk_size_that_is_no_plain_hex_isrefused(payload: ChunkedPayload, size: str) -> None:
    signature = "" if payload is UNSIGNED else f";chunk-signature={'0' * 64}"

    error = refused(decoder_of(payload), f"{size}{signature}\r\n".encode())

    assert error.code == "IncompleteBody"


def test_a_chunk_size_may_be_in_upper_case_and_with_zeros_before_it() -> None:
    body = encode(UNSIGNED, [b"a" * 0xABCD]).replace(b"abcd", b"0000ABCD", 1)

    assert decode(decoder_of(UNSIGNED, 0xABCD), body) == b"a" * 0xABCD


@pytest.mark.parametrize(
    "extension",
    [
        "",
        ";",
        ";chunk-signature=",
        f";chunk-signature={'0' * 63}",
        f";chunk-signature={'0' * 65}",
        f";chunk-signature={'A' * 64}",
        f";Chunk-Signature={'0' * 64}",
        f"; chunk-signature={'0' * 64}",
        f";chunk-signature={'0' * 64};more=x",
    ],
)
def test_a_signed_chunk_without_its_signature_isrefused(extension: str) -> None:
    assert refused(decoder_of(SIGNED), f"4{extension}\r\n".encode()).code == "IncompleteBody"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\r\n", b"\r"])
@MODES
def test_a_chunk_header_that_does_not_end_in_crlf_isrefused(
    payload: ChunkedPayload, line_end: bytes
) -> None:
    body = encode(payload).replace(b"\r\n", line_end, 1)

    assert refused(decoder_of(payload), body).code == "IncompleteBody"


@pytest.mark.parametrize("after", [b"", b"\n", b"x\r\n", b"\r\r\n"])
@MODES
def test_a_chunk_that_is_not_followed_by_crlf_isrefused(
    payload: ChunkedPayload, after: bytes
) -> None:
    body = encode(payload).replace(b"a\r\n", b"a" + after, 1)

    assert refused(decoder_of(payload), body).code == "IncompleteBody"


@MODES
def test_a_chunk_header_without_an_end_is_refused_early(payload: ChunkedPayload) -> None:
    decoder = decoder_of(payload)

    with pytest.raises(SignatureError):
        decoder.feed(b"0" * 129)
