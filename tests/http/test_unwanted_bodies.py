"""Bodies of operations that have no use for one."""

import hashlib

import pytest

from tests.fix_s3 import S3Client
from tests.operations.uploads import begin
from tests.signing import UNSIGNED
from tests.wire import Answer

BODY = b"<Empty/>\n"
OTHER = hashlib.sha256(b"another").hexdigest()
UNWANTED = [
    pytest.param("POST", "/key?uploads", {}, 200, id="CreateMultipartUpload"),
    pytest.param("PUT", "/copy", {"x-amz-copy-source": "{bucket}/key"}, 200, id="CopyObject"),
    pytest.param("DELETE", "/key", {}, 204, id="DeleteObject"),
    pytest.param("GET", "/key", {}, 200, id="GetObject"),
    pytest.param("GET", "", {}, 200, id="ListObjects"),
    pytest.param("DELETE", "", {}, 409, id="DeleteBucket"),
]


async def ask(
    s3: S3Client,
    bucket: str,
    method: str,
    path: str,
    headers: dict[str, str],
    content_sha256: str | None,
) -> Answer:
    """Ask with a body, in a bucket that has one key; content_sha256: None for that of the body."""
    await s3.put(f"/{bucket}/key", body=b"as it was")
    return await s3.request(
        method,
        f"/{bucket}{path}",
        headers={name: value.format(bucket=bucket) for name, value in headers.items()},
        body=BODY,
        content_sha256=content_sha256,
    )


@pytest.mark.parametrize(("method", "path", "headers", "status"), UNWANTED)
async def test_an_unwanted_body_that_is_not_the_signed_one_is_refused_and_nothing_done(
    s3: S3Client, bucket: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    refused = await ask(s3, bucket, method, path, headers, OTHER)

    assert refused.refusal == (400, "XAmzContentSHA256Mismatch")
    assert await s3.keys_of(bucket) == ["key"]
    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload") == []


@pytest.mark.parametrize(("method", "path", "headers", "status"), UNWANTED)
@pytest.mark.parametrize("content_sha256", [None, UNSIGNED], ids=["signed", "unsigned"])
async def test_an_unwanted_body_that_is_what_was_signed_does_no_harm(
    s3: S3Client,
    bucket: str,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    content_sha256: str | None,
) -> None:
    """Some clients send a newline, or an empty document."""
    answer = await ask(s3, bucket, method, path, headers, content_sha256)

    assert answer.status == status


async def test_an_unwanted_body_is_asked_for_where_its_sender_waits(
    s3: S3Client, bucket: str
) -> None:
    message = s3.message(
        "POST", f"/{bucket}/key?uploads", headers={"Expect": "100-continue"}, body=BODY
    )
    async with s3.connected() as wire:
        await wire.send(message.removesuffix(BODY))
        interim = await wire.interim()
        await wire.send(BODY)
        answer = await wire.answer()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.status == 200


@pytest.mark.parametrize(
    ("size", "refusal"),
    [
        pytest.param(64 << 10, (204, None), id="at it"),
        pytest.param((64 << 10) + 1, (400, "MaxMessageLengthExceeded"), id="above it"),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "in chunks"])
async def test_an_unwanted_body_has_a_limit(
    s3: S3Client, bucket: str, size: int, refusal: tuple[int, str | None], is_chunked: bool
) -> None:
    upload = await begin(s3, bucket)
    target, body = f"{upload.path}?uploadId={upload.id}", bytes(size)
    digest = hashlib.sha256(body).hexdigest()
    headers = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(size)}
    head = s3.message("DELETE", target, headers=headers, content_sha256=digest)
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if is_chunked else body
    async with s3.connected() as wire:
        await wire.send(head + framed)

        assert (await wire.answer()).refusal == refusal
