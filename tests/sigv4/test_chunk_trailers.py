"""Trailers of chunked bodies: the announced ones, signed where the chunks are."""

import pytest

from sigv4.chunks import ChunkDecoder
from sigv4.errors import SignatureError
from sigv4.payloads import ChunkedPayload
from tests.sigv4.chunked_bodies import (
    CHECKSUM,
    DATA,
    PLAIN,
    SIGNED,
    SIGNED_WITH_TRAILER,
    UNSIGNED,
    Encoder,
    Tamper,
    decode,
    decoder_of,
    encode,
    refused,
    replaced,
    trailer_of,
)


@pytest.mark.parametrize("payload", [SIGNED_WITH_TRAILER, UNSIGNED])
def test_a_trailer_as_minio_go_writes_it_is_read(payload: ChunkedPayload) -> None:
    """Its lines end in LF; CRLF comes before the signature, or a second one at the end."""
    encoder = Encoder(payload)
    for chunk in (*DATA, b""):
        encoder.chunk(chunk)
    encoder.trailer(trailer_of(payload), line_end="\n", before_signature="\r\n")
    end = b"\r\n" if payload is SIGNED_WITH_TRAILER else b"\r\n\r\n"
    decoder = decoder_of(payload)

    assert decode(decoder, encoder.body + end) == PLAIN
    assert decoder.trailers == {CHECKSUM: "AAAAAA=="}


@pytest.mark.parametrize("payload", [SIGNED_WITH_TRAILER, UNSIGNED])
def test_a_trailer_without_an_end_is_refused_early(payload: ChunkedPayload) -> None:
    decoder = decoder_of(payload, 0)
    decoder.feed(Encoder(payload).chunk(b"").body)

    with pytest.raises(SignatureError):
        decoder.feed(b"x" * 4097)


def test_empty_lines_before_the_signature_of_a_trailer_have_an_end() -> None:
    decoder = decoder_of(SIGNED_WITH_TRAILER, 0)
    decoder.feed(Encoder(SIGNED_WITH_TRAILER).chunk(b"").body)

    with pytest.raises(SignatureError):
        decoder.feed(b"\r\n" * 2049)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(replaced(b":AAAAAA==", b":BAAAAA=="), id="value"),
        pytest.param(replaced(b"trailer-signature:", b"trailer-signature:0"), id="longer"),
        pytest.param(replaced(b"trailer-signature:", b"trailer-signature:\r\n"), id="empty"),
        pytest.param(lambda body: body[:-3] + b"g\r\n", id="signature"),
    ],
)
def test_a_signed_trailer_that_was_changed_isrefused(tamper: Tamper) -> None:
    body = tamper(encode(SIGNED_WITH_TRAILER).removesuffix(b"\r\n"))

    assert refused(decoder_of(SIGNED_WITH_TRAILER), body).code == "SignatureDoesNotMatch"


def test_a_signed_trailer_without_its_signature_isrefused() -> None:
    body = encode(SIGNED_WITH_TRAILER)
    body = body[: body.index(b"x-amz-trailer-signature")] + b"\r\n"

    assert refused(decoder_of(SIGNED_WITH_TRAILER), body).code == "IncompleteBody"


def test_a_trailer_after_chunks_that_announce_none_isrefused() -> None:
    body = encode(SIGNED).removesuffix(b"\r\n") + f"{CHECKSUM}:AAAAAA==\r\n\r\n".encode()

    assert refused(decoder_of(SIGNED), body).code == "MalformedTrailerError"


@pytest.mark.parametrize("payload", [SIGNED_WITH_TRAILER, UNSIGNED])
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="none"),
        pytest.param(["x-amz-checksum-crc32c:AAAAAA=="], id="another"),
        pytest.param([f"{CHECKSUM}:AAAAAA=="] * 2, id="twice"),
        pytest.param([f"{CHECKSUM}:AAAAAA==", "x-amz-meta-a:b"], id="one more"),
        pytest.param([CHECKSUM], id="no value"),
        pytest.param([f"{CHECKSUM} :AAAAAA=="], id="blank before the colon"),
        pytest.param([f"{CHECKSUM}:AAAA AA=="], id="blank in the value"),
        pytest.param([f" {CHECKSUM}:AAAAAA=="], id="folded"),
        pytest.param([f"{CHECKSUM}:\u00e9"], id="not ASCII"),
        pytest.param([":AAAAAA=="], id="no name"),
    ],
)
def test_a_trailer_that_is_not_the_announced_one_isrefused(
    payload: ChunkedPayload, lines: list[str]
) -> None:
    body = Encoder(payload).chunk(b"").trailer(lines).body + b"\r\n"

    assert refused(decoder_of(payload, 0), body).code == "MalformedTrailerError"


def test_a_signature_in_an_unsigned_trailer_isrefused() -> None:
    body = encode(UNSIGNED).removesuffix(b"\r\n") + b"x-amz-trailer-signature:0\r\n\r\n"

    assert refused(decoder_of(UNSIGNED), body).code == "MalformedTrailerError"


@pytest.mark.parametrize("payload", [SIGNED_WITH_TRAILER, UNSIGNED])
def test_the_order_and_letter_case_of_trailers_do_not_matter(payload: ChunkedPayload) -> None:
    lines = ["b:2", "a:1"]
    decoder = ChunkDecoder(payload, decoded_length=0, trailers=["A", "B"])

    decode(decoder, Encoder(payload).chunk(b"").trailer(lines).body + b"\r\n")

    assert decoder.trailers == {"a": "1", "b": "2"}


def test_blanks_around_the_value_of_a_trailer_do_not_count() -> None:
    body = Encoder(UNSIGNED).chunk(b"").body + f"{CHECKSUM}: \tAAAAAA== \r\n\r\n".encode()
    decoder = decoder_of(UNSIGNED, 0)

    decode(decoder, body)

    assert decoder.trailers == {CHECKSUM: "AAAAAA=="}


def test_unsigned_chunks_need_announce_no_trailer() -> None:
    decoder = ChunkDecoder(UNSIGNED, decoded_length=2)

    assert decode(decoder, b"2\r\nab\r\n0\r\n\r\n") == b"ab"
