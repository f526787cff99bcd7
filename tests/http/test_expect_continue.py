"""Expect: 100-continue: said only to who may go on, in the spelling that aws cli 2.9 needs."""

import os

import pytest

from tests.fix_s3 import S3Client
from tests.signing import EMPTY_SHA256, UNSIGNED, Keys

EXPECT = {"Expect": "100-continue"}


def head_and_body(s3: S3Client, target: str, body: bytes) -> tuple[bytes, bytes]:
    message = s3.message("PUT", target, body=body, headers=EXPECT)
    return message[: -len(body)], body


@pytest.mark.parametrize("size", [1, 1 << 20])
async def test_the_interim_answer_comes_before_the_body(
    s3: S3Client, bucket: str, size: int
) -> None:
    head, body = head_and_body(s3, f"/{bucket}/key", os.urandom(size))
    async with s3.connected() as wire:
        await wire.send(head)
        interim = await wire.interim()
        await wire.send(body)
        stored = await wire.answer()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert stored.status == 200
    assert (await s3.get(f"/{bucket}/key")).body == body


async def test_the_interim_answer_comes_for_documents_too(s3: S3Client, bucket: str) -> None:
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    message = s3.message(
        "POST",
        f"/{bucket}?delete",
        body=body,
        headers={**EXPECT, "x-amz-checksum-crc32": "x0NmGw=="},
    )
    async with s3.connected() as wire:
        await wire.send(message[: -len(body)])

        assert await wire.interim() == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        pytest.param("/no-such-bucket/key", (404, "NoSuchBucket"), id="no bucket"),
        pytest.param("/{bucket}/%ff", (400, "InvalidURI"), id="no key"),
        pytest.param("/{bucket}/key?acl", (501, "NotImplemented"), id="no such operation"),
    ],
)
async def test_who_may_not_go_on_is_told_at_once(
    s3: S3Client, bucket: str, target: str, refusal: tuple[int, str]
) -> None:
    head, _ = head_and_body(s3, target.format(bucket=bucket), os.urandom(1 << 20))
    async with s3.connected() as wire:
        await wire.send(head)

        answer = await wire.answer()

        assert answer.refusal == refusal
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(Keys("AKIANOBODYNOBODYNOBO", "secret"), id="unknown key"),
        pytest.param(Keys("AKIATESTTESTTESTTEST", "guessed"), id="wrong secret"),
    ],
)
async def test_a_stranger_is_refused_before_the_body(s3: S3Client, bucket: str, keys: Keys) -> None:
    head, _ = head_and_body(s3.as_keys(keys), f"/{bucket}/key", os.urandom(1 << 20))
    async with s3.connected() as wire:
        await wire.send(head)

        assert (await wire.answer()).status == 403


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param({"x-amz-acl": "public-read"}, (501, "NotImplemented"), id="ACL"),
        pytest.param({"x-amz-storage-class": "COLD"}, (400, "InvalidStorageClass"), id="class"),
        pytest.param({"If-None-Match": '"abc"'}, (501, "NotImplemented"), id="condition"),
        pytest.param({"Content-MD5": "rubbish"}, (400, "InvalidDigest"), id="MD5"),
        pytest.param({"x-amz-meta-a": "a" * 2048}, (400, "MetadataTooLarge"), id="metadata"),
        pytest.param({"Content-Length": str(1 << 40)}, (400, "EntityTooLarge"), id="1 TiB"),
    ],
)
async def test_a_header_that_is_refused_is_refused_before_the_body(
    s3: S3Client, bucket: str, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    head = s3.message(
        "PUT",
        f"/{bucket}/key",
        headers={"Content-Length": "1000000", **EXPECT, **headers},
        content_sha256=UNSIGNED,
    )
    async with s3.connected() as wire:
        await wire.send(head)

        assert (await wire.answer()).refusal == refusal


async def test_an_empty_body_needs_no_interim_answer(s3: S3Client, bucket: str) -> None:
    message = s3.message("PUT", f"/{bucket}/key", body=b"", headers=EXPECT)
    async with s3.connected() as wire:
        await wire.send(message)

        assert (await wire.answer()).status == 200
        assert (await s3.on(wire).head(f"/{bucket}/key")).headers["content-length"] == "0"


async def test_a_client_of_http_1_0_gets_no_interim_answer(s3: S3Client, bucket: str) -> None:
    head, body = head_and_body(s3, f"/{bucket}/key", b"body")
    async with s3.connected() as wire:
        await wire.send(head.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert await wire.is_silent_for(0.2)
        await wire.send(body)

        assert (await wire.answer()).status == 200


async def test_another_expectation_is_ignored(s3: S3Client, bucket: str) -> None:
    """RFC 9110 section 10.1.1 lets a server answer 417; S3 takes no notice."""
    stored = await s3.put(f"/{bucket}/key", body=b"body", headers={"Expect": "a-miracle"})

    assert stored.status == 200


async def test_a_signature_of_another_body_is_refused_before_an_empty_one(
    s3: S3Client, bucket: str
) -> None:
    """The hash of no bytes is known before any byte could come."""
    refused = await s3.request("PUT", f"/{bucket}/key", body=b"", content_sha256="a" * 64)

    assert refused.refusal == (400, "XAmzContentSHA256Mismatch")
    assert refused.error("S3ComputedContentSHA256") == EMPTY_SHA256
