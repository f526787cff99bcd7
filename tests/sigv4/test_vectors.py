"""The examples that AWS published, file by file.

v4-*: S3 API reference, "Signature Calculations for the Authorization Header" (single chunk,
      multiple chunks, trailing headers) and "Using Query Parameters".
v2-*: S3 user guide, "Signing and authenticating REST requests (AWS Signature Version 2)".
"""

from datetime import datetime
from pathlib import Path

import pytest

from sigv4.chunks import ChunkDecoder
from sigv4.payloads import ChunkedPayload
from sigv4.request import SignedRequest
from tests.sigv4.clients import accepted, refused

VECTORS = Path(__file__).parent / "vectors"
CASES = sorted(VECTORS.iterdir())
CHUNKED_CASES = [case for case in CASES if (case / "chunks").exists()]


def _text(case: Path, name: str) -> str | None:
    file = case / name
    return file.read_text().removesuffix("\n") if file.exists() else None


def _request(case: Path) -> SignedRequest:
    head = _text(case, "request")
    assert head is not None
    start, *lines = head.split("\n")
    method, target, _ = start.split(" ")
    path, _, query = target.partition("?")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    authorization = _text(case, "authorization")
    if authorization is not None:
        headers["authorization"] = authorization
    return SignedRequest(method, path, query, headers, _text(case, "bucket"))


def _now(case: Path) -> datetime:
    return datetime.fromisoformat(str(_text(case, "now")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_published_example_is_accepted(case: Path) -> None:
    accepted(_request(case), now=_now(case))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_published_example_signed_with_another_secret_is_refused(case: Path) -> None:
    error = refused(_request(case), now=_now(case), secret="another secret")

    assert error.code == "SignatureDoesNotMatch"
    assert error.detail["StringToSign"] == _text(case, "string_to_sign")
    assert error.detail.get("CanonicalRequest") == _text(case, "canonical")


@pytest.mark.parametrize("case", CHUNKED_CASES, ids=lambda case: case.name)
def test_published_chunks_are_decoded(case: Path) -> None:
    payload = accepted(_request(case), now=_now(case)).payload
    assert isinstance(payload, ChunkedPayload)
    decoder = ChunkDecoder(payload, decoded_length=66560, trailers=["x-amz-checksum-crc32c"])
    trailer = _text(case, "trailer")
    if trailer is None:
        decoder = ChunkDecoder(payload, decoded_length=66560)

    pieces = decoder.feed(_body(str(_text(case, "chunks")), trailer or ""))
    decoder.finish()

    assert b"".join(pieces) == b"a" * 66560
    assert decoder.trailers == ({"x-amz-checksum-crc32c": "sOO8/Q=="} if trailer else {})


def _body(chunk_headers: str, trailer: str) -> bytes:
    body = b""
    for header in chunk_headers.split("\n"):
        size = int(header.partition(";")[0], 16)
        body += f"{header}\r\n".encode() + (b"a" * size + b"\r\n" if size else b"")
    for line in trailer.split("\n") if trailer else []:
        body += f"{line}\r\n".encode()
    return body + b"\r\n"


def test_a_signature_of_one_example_does_not_fit_another() -> None:
    first, second = (
        _request(VECTORS / name) for name in ("v4-get-object-range", "v4-list-objects")
    )
    headers = {**second.headers, "authorization": first.headers["authorization"], "range": "x"}

    error = refused(second._replace(headers=headers), now=_now(VECTORS / "v4-list-objects"))

    assert error.code == "SignatureDoesNotMatch"
