"""Every place of the credentials, with every way to protect a body, in every operation.

The commonest serious hole of S3 servers is one of these that skips the check.
"""

import hashlib
import os
from dataclasses import replace

import pytest

from tests.access.attempts import DELETE, OPERATIONS, PLACES, V4_PLACES, upload_target
from tests.fix_s3 import Disk, Payload, Place, S3Client
from tests.signing import SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_TRAILER, content_md5

STREAMED: tuple[Payload, ...] = ("signed chunks", "signed chunks and trailer", "unsigned chunks")
PAYLOADS: tuple[Payload, ...] = ("signed", "unsigned", *STREAMED)

# Version 2 has no key for chunks.
ALLOWED = [
    pytest.param(place, payload, id=f"{place}, {payload}")
    for place in PLACES
    for payload in PAYLOADS
    if place in V4_PLACES or not payload.startswith("signed chunks")
]
SMALL, LARGE = b"body", os.urandom(200_000)
SIZES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


@pytest.mark.parametrize(("place", "payload"), ALLOWED)
@SIZES
async def test_a_body_that_is_signed_rightly_is_stored(
    s3: S3Client, bucket: str, place: Place, payload: Payload, body: bytes
) -> None:
    stored = await s3.signing(place, payload).put(f"/{bucket}/key", body=body)

    assert stored.status == 200, stored.body
    assert (await s3.get(f"/{bucket}/key")).body == body


@pytest.mark.parametrize(("place", "payload"), ALLOWED)
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
@pytest.mark.parametrize(
    ("keys", "code"),
    [
        pytest.param({"secret_key": "guessed"}, "SignatureDoesNotMatch", id="wrong secret"),
        pytest.param({"access_key": "AKIANOBODY"}, "InvalidAccessKeyId", id="unknown key"),
    ],
)
async def test_a_forged_signature_stores_nothing_in_any_payload_mode(
    s3: S3Client,
    bucket: str,
    disk: Disk,
    operation: str,
    place: Place,
    payload: Payload,
    keys: dict[str, str],
    code: str,
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    target = await upload_target(s3, bucket, operation)

    refused = (
        await s3.as_keys(replace(s3.keys, **keys)).signing(place, payload).put(target, body=LARGE)
    )

    assert refused.refusal == (403, code)
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"
    assert disk.staged() == []


def swapped(message: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert old in message
    return message.replace(old, new)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
@SIZES
async def test_a_body_that_was_changed_on_its_way_is_refused_where_its_hash_is_signed(
    s3: S3Client, bucket: str, disk: Disk, place: Place, operation: str, body: bytes
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")
    target = await upload_target(s3, bucket, operation)
    message = s3.signing(place).message("PUT", target, body=body)

    refused = await s3.send(swapped(message, body, body[:-1] + b"!"))

    assert refused.refusal == (400, "XAmzContentSHA256Mismatch")
    assert refused.error("ClientComputedContentSHA256") == hashlib.sha256(body).hexdigest()
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"
    assert disk.staged() == []


@pytest.mark.parametrize("place", PLACES)
async def test_a_document_that_was_changed_on_its_way_is_refused(
    s3: S3Client, bucket: str, place: Place
) -> None:
    await s3.put(f"/{bucket}/key", body=SMALL)
    other = DELETE.replace(b"key", b"yek")
    message = s3.signing(place).message(
        "POST", f"/{bucket}?delete", body=other, headers={"Content-MD5": content_md5(DELETE)}
    )

    refused = await s3.send(swapped(message, other, DELETE))

    assert refused.refusal == (400, "XAmzContentSHA256Mismatch")
    assert await s3.keys_of(bucket) == ["key"]


@pytest.mark.parametrize("place", V4_PLACES)
@pytest.mark.parametrize("payload", ["signed chunks", "signed chunks and trailer"])
@SIZES
async def test_a_signed_chunk_that_was_changed_on_its_way_is_refused(
    s3: S3Client, bucket: str, disk: Disk, place: Place, payload: Payload, body: bytes
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")
    message = s3.signing(place, payload).message("PUT", f"/{bucket}/key", body=body)

    refused = await s3.send(swapped(message, body, body[:-1] + b"!"))

    assert refused.refusal == (403, "SignatureDoesNotMatch")
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"
    assert disk.staged() == []


@pytest.mark.parametrize("place", V4_PLACES)
@pytest.mark.parametrize("payload", ["signed chunks", "signed chunks and trailer"])
@pytest.mark.parametrize("which", [0, -1], ids=["first chunk", "last chunk"])
async def test_a_signature_of_a_chunk_that_was_changed_is_refused(
    s3: S3Client, bucket: str, place: Place, payload: Payload, which: int
) -> None:
    message = s3.signing(place, payload).message("PUT", f"/{bucket}/key", body=SMALL)
    begin = message.find if which == 0 else message.rfind
    end = begin(b"chunk-signature=") + len(b"chunk-signature=") + 64
    changed = b"1" if message[end - 1 : end] == b"0" else b"0"

    refused = await s3.send(message[: end - 1] + changed + message[end:])

    assert refused.refusal == (403, "SignatureDoesNotMatch")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", V4_PLACES)
async def test_a_signed_trailer_that_was_changed_is_refused(
    s3: S3Client, bucket: str, place: Place
) -> None:
    client = s3.signing(place, "signed chunks and trailer")
    message = client.message("PUT", f"/{bucket}/key", body=SMALL)
    end = message.index(b"x-amz-trailer-signature:") + len(b"x-amz-trailer-signature:") + 64
    changed = b"1" if message[end - 1 : end] == b"0" else b"0"

    refused = await s3.send(message[: end - 1] + changed + message[end:])

    assert refused.refusal == (403, "SignatureDoesNotMatch")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", PLACES)
@SIZES
async def test_an_unsigned_chunk_that_was_changed_fails_its_trailer(
    s3: S3Client, bucket: str, place: Place, body: bytes
) -> None:
    message = s3.signing(place, "unsigned chunks").message("PUT", f"/{bucket}/key", body=body)

    refused = await s3.send(swapped(message, body, body[:-1] + b"!"))

    assert refused.refusal == (400, "BadDigest")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", PLACES)
async def test_a_trailer_that_is_missing_is_refused(
    s3: S3Client, bucket: str, place: Place
) -> None:
    message = s3.signing(place, "unsigned chunks").message("PUT", f"/{bucket}/key", body=SMALL)
    head, _, framed = message.partition(b"\r\n\r\n")
    cut = framed[: framed.index(b"x-amz-checksum-sha256:")] + b"\r\n"
    head = head.replace(b"Content-Length: %d" % len(framed), b"Content-Length: %d" % len(cut))

    refused = await s3.send(head + b"\r\n\r\n" + cut)

    assert refused.refusal == (400, "MalformedTrailerError")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("literal", [SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_TRAILER])
@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - {"PutObject"}))
async def test_an_operation_that_streams_no_body_refuses_the_streaming_modes(
    s3: S3Client, bucket: str, operation: str, literal: str, place: Place
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")

    refused = await OPERATIONS[operation].send(s3.signing(place), bucket, literal)

    assert refused.refusal == (400, "InvalidRequest")
    assert await s3.keys_of(bucket) == ["key"]
    assert (await s3.head(f"/{bucket}-more")).status == 404


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param("", id="empty"),
        pytest.param("unsigned-payload", id="lower case"),
        pytest.param("A" * 64, id="capitals"),
        pytest.param("a" * 63, id="too short"),
        pytest.param("a" * 64 + " b", id="more behind"),
        pytest.param("STREAMING-UNSIGNED-PAYLOAD", id="no such mode"),
    ],
)
@pytest.mark.parametrize("place", PLACES)
async def test_a_payload_mode_that_is_none_is_refused(
    s3: S3Client, bucket: str, place: Place, literal: str
) -> None:
    refused = await s3.signing(place).request(
        "PUT", f"/{bucket}/key", body=SMALL, content_sha256=literal
    )

    assert refused.refusal == (400, "InvalidArgument")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("literal", [SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER])
@pytest.mark.parametrize("place", ["v2 header", "v2 query"])
async def test_version_2_cannot_sign_chunks(
    s3: S3Client, bucket: str, place: Place, literal: str
) -> None:
    refused = await s3.signing(place).request(
        "PUT", f"/{bucket}/key", body=SMALL, content_sha256=literal
    )

    assert refused.refusal == (400, "InvalidRequest")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
async def test_a_hash_of_another_body_is_refused_where_there_is_none(
    s3: S3Client, bucket: str, place: Place, method: str
) -> None:
    await s3.put(f"/{bucket}/key", body=SMALL)

    refused = await s3.signing(place).request(
        method, f"/{bucket}/key", content_sha256="a" * 64, body=b"" if method == "PUT" else None
    )

    assert refused.status == 400
    assert (await s3.get(f"/{bucket}/key")).body == SMALL
