"""Signatures of chunks: each of them, the final empty one too, and the chain between them."""

import pytest

from sigv4.chunks import MIN_CHUNK_BYTES
from sigv4.payloads import ChunkChain, ChunkedPayload, SignedChunksWithTrailer
from tests.sigv4.chunked_bodies import (
    CHAIN,
    SIGNED,
    SIGNED_WITH_TRAILER,
    Tamper,
    decoder_of,
    encode,
    refused,
    replaced,
    signature_changed,
)


@pytest.mark.parametrize("payload", [SIGNED, SIGNED_WITH_TRAILER])
@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(replaced(b"aaa", b"axa"), id="data of the first chunk"),
        pytest.param(replaced(b"bbb", b"bxb"), id="data of the second chunk"),
        pytest.param(replaced(b"last", b"lasp"), id="data of the last chunk"),
        pytest.param(signature_changed(0), id="signature of the first chunk"),
        pytest.param(signature_changed(1), id="signature of the second chunk"),
        pytest.param(signature_changed(2), id="signature of the last chunk with data"),
        pytest.param(signature_changed(3), id="signature of the final empty chunk"),
    ],
)
def test_a_signed_body_that_was_changed_isrefused(payload: ChunkedPayload, tamper: Tamper) -> None:
    assert refused(decoder_of(payload), tamper(encode(payload))).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("payload", [SIGNED, SIGNED_WITH_TRAILER])
def test_chunks_of_one_body_cannot_be_swapped(payload: ChunkedPayload) -> None:
    data = [b"a" * MIN_CHUNK_BYTES, b"b" * MIN_CHUNK_BYTES]
    body = encode(payload, data)
    # "2000;chunk-signature=" and 64 digits, CRLF, the data, CRLF
    size = 21 + 64 + 2 + MIN_CHUNK_BYTES + 2

    swapped = body[size : 2 * size] + body[:size] + body[2 * size :]

    assert refused(decoder_of(payload, 2 * MIN_CHUNK_BYTES), swapped).code == (
        "SignatureDoesNotMatch"
    )


@pytest.mark.parametrize("payload", [SIGNED, SIGNED_WITH_TRAILER])
def test_a_body_cannot_be_cut_short_by_an_empty_chunk(payload: ChunkedPayload) -> None:
    """Scenario: the last chunks are dropped, and the length that was announced is changed too.
    Outcome: the signature of the final chunk covers all before it."""
    body = encode(payload)
    tail = body[body.index(b"\r\n0;chunk-signature=") + 2 :]

    error = refused(
        decoder_of(payload, MIN_CHUNK_BYTES), body[: 21 + 64 + 2 + MIN_CHUNK_BYTES + 2] + tail
    )

    assert error.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("payload", [SIGNED, SIGNED_WITH_TRAILER])
def test_chunks_signed_for_another_request_arerefused(payload: ChunkedPayload) -> None:
    other = ChunkChain(CHAIN.signing_key, CHAIN.timestamp, CHAIN.scope, "0" * 64)
    decoder = decoder_of(
        type(payload)(other) if payload is SIGNED else SignedChunksWithTrailer(other)
    )

    assert refused(decoder, encode(payload)).code == "SignatureDoesNotMatch"


def test_a_mismatch_says_what_was_to_be_signed() -> None:
    error = refused(decoder_of(SIGNED), signature_changed(0)(encode(SIGNED)))

    assert error.detail["StringToSign"].startswith(
        f"AWS4-HMAC-SHA256-PAYLOAD\n{CHAIN.timestamp}\n{CHAIN.scope}\n{CHAIN.seed_signature}\n"
    )


def test_the_key_of_a_chain_does_not_show() -> None:
    assert "kkkk" not in repr(SIGNED)
