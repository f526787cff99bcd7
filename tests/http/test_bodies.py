"""Bodies on their way in: what is announced must come, and what breaks off leaves nothing."""

import asyncio
import os
import re
from collections.abc import Callable

import pytest

from tests.fix_s3 import Disk, S3Client
from tests.fix_server import RunningServer
from tests.processes import open_files, workers_of
from tests.signing import UNSIGNED
from tests.wire import request_bytes

LARGE = 3 << 20  # in a file, received in more than one piece
Framing = Callable[[S3Client, str, bytes], bytes]


def plain(s3: S3Client, target: str, body: bytes) -> bytes:
    return s3.message("PUT", target, body=body)


def unsigned_chunks(s3: S3Client, target: str, body: bytes) -> bytes:
    return s3.signing("header", "unsigned chunks").message("PUT", target, body=body)


def transfer_chunks(s3: S3Client, target: str, body: bytes) -> bytes:
    """What boto3 sends where it cannot tell the length: aws-chunked within HTTP's chunks."""
    head, _, framed = unsigned_chunks(s3, target, body).partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    half = len(framed) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (framed[:half], framed[half:], b""))
    return head + b"\r\n\r\n" + chunks


FRAMINGS = pytest.mark.parametrize("framing", [plain, unsigned_chunks, transfer_chunks])


@FRAMINGS
@pytest.mark.parametrize("size", [0, 1, 8192, 8193, LARGE])
async def test_a_body_is_stored_without_its_framing(
    s3: S3Client, bucket: str, framing: Framing, size: int
) -> None:
    body = os.urandom(size)

    stored = await s3.send(framing(s3, f"/{bucket}/key", body))

    assert stored.status == 200, stored.body
    assert (await s3.get(f"/{bucket}/key")).body == body


@FRAMINGS
async def test_a_body_may_come_in_pieces_of_any_size(
    s3: S3Client, bucket: str, framing: Framing
) -> None:
    message = framing(s3, f"/{bucket}/key", b"0123456789" * 30)
    async with s3.connected() as wire:
        for position in range(0, len(message), 7):
            await wire.send(message[position : position + 7])
            await asyncio.sleep(0)

        assert (await wire.answer()).status == 200

    assert (await s3.get(f"/{bucket}/key")).body == b"0123456789" * 30


@FRAMINGS
@pytest.mark.parametrize("size", [300, LARGE], ids=["small", "large"])
async def test_a_client_that_vanishes_leaves_no_object_and_no_file(
    s3: S3Client, bucket: str, disk: Disk, framing: Framing, size: int
) -> None:
    """Cut within the head, at its end, within the body, and a byte before the end."""
    message = framing(s3, f"/{bucket}/key", os.urandom(size))
    head = message.index(b"\r\n\r\n")
    cuts = {10, head, head + 4, head + 5, *range(head + 6, len(message), len(message) // 23)}

    for cut in sorted(cuts | {len(message) - 1}):
        async with s3.connected() as wire:
            await wire.send(message[:cut])
            wire.vanish()

    assert await disk.staged_afterwards() == []
    assert await s3.keys_of(bucket) == []


async def test_a_client_that_vanishes_at_any_byte_of_a_small_upload_leaves_nothing(
    s3: S3Client, bucket: str, disk: Disk
) -> None:
    message = s3.signing("header", "signed chunks and trailer").message(
        "PUT", f"/{bucket}/key", body=b"body"
    )

    for cut in range(len(message) - 2):
        async with s3.connected() as wire:
            await wire.send(message[:cut])
            wire.vanish()

    assert await s3.keys_of(bucket) == []
    assert await disk.staged_afterwards() == []


async def test_a_client_that_closes_its_side_early_is_told_or_cut_off(
    s3: S3Client, bucket: str, disk: Disk
) -> None:
    message = s3.message("PUT", f"/{bucket}/key", body=os.urandom(LARGE))
    async with s3.connected() as wire:
        await wire.send(message[:-1])
        wire.end()

        rest = await wire.rest()

    assert rest == b"" or b"<Code>IncompleteBody</Code>" in rest
    assert await disk.staged_afterwards() == []
    assert await s3.keys_of(bucket) == []


@pytest.mark.slow
async def test_a_thousand_clients_that_vanish_leave_no_open_file_behind(
    s3: S3Client, bucket: str, disk: Disk, server: RunningServer
) -> None:
    """Half of them during an upload, a quarter during a download, a quarter within the head."""
    body = os.urandom(LARGE)
    await s3.put(f"/{bucket}/stored", body=body)
    upload = s3.message("PUT", f"/{bucket}/key", body=body)
    download = s3.message("GET", f"/{bucket}/stored")
    # Connections to the database are opened when they are needed, and kept.
    await asyncio.gather(*(s3.get(f"/{bucket}") for _ in range(100)))
    before = open_files(workers_of(server))
    at_once = asyncio.Semaphore(20)

    async def vanish(number: int) -> None:
        async with at_once, s3.connected() as wire:
            if number % 2:
                await wire.send(upload[: len(upload) * number // 1000])
            elif number % 4:
                await wire.send(download)
                await wire.read(1000)
            else:
                await wire.send(download[: number % len(download)])
            wire.vanish()

    await asyncio.gather(*(vanish(number) for number in range(1000)))

    assert await disk.staged_afterwards() == []
    async with asyncio.timeout(30):
        while open_files(workers_of(server)) > before:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.1)
    assert await s3.keys_of(bucket) == ["stored"]


async def test_a_body_that_nobody_reads_closes_the_connection(s3: S3Client) -> None:
    """What is left of it must not be taken for the next request."""
    smuggled = s3.message("GET", "/")
    message = s3.message(
        "PUT", "/no-such-bucket/key", body=b"x" * (1 << 20), headers={"Content-Length": "1048577"}
    )
    async with s3.connected() as wire:
        await wire.send(message)
        refused = await wire.answer()
        await wire.send(b"x" + smuggled)

        assert refused.refusal == (404, "NoSuchBucket")
        assert refused.headers["connection"] == "close"
        assert await wire.rest() == b""


async def test_a_small_body_that_nobody_wants_does_not_disturb_the_next_request(
    s3: S3Client,
) -> None:
    async with s3.connected() as wire:
        refused = await s3.on(wire).put("/no-such-bucket/key", body=b"GET / HTTP/1.1\r\n\r\n")
        following = None
        if refused.headers.get("connection") != "close":
            following = await s3.on(wire).get("/")

    assert refused.refusal == (404, "NoSuchBucket")
    assert following is None or following.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content-Length": "-4"}, id="negative"),
        pytest.param({"Content-Length": "+4"}, id="plus sign"),
        pytest.param({"Content-Length": "4_0"}, id="underscore"),
        pytest.param({"Content-Length": "0x4"}, id="hexadecimal"),
        pytest.param({"Content-Length": "4, 4"}, id="list"),
        pytest.param({"Content-Length": ""}, id="empty"),
        pytest.param({"Content-Length": "\u0664"}, id="a digit of another script"),
        pytest.param({"Content-Length": "9" * 30}, id="beyond 64 bits"),
        pytest.param({"Content-Length": "4", "Transfer-Encoding": "chunked"}, id="two lengths"),
        pytest.param({"Transfer-Encoding": "gzip"}, id="no framing at all"),
        pytest.param({"Transfer-Encoding": "chunked, identity"}, id="chunked before another"),
        pytest.param({"Transfer-Encoding": "xchunked"}, id="a coding that nobody knows"),
    ],
)
async def test_a_body_whose_length_cannot_be_told_is_a_bad_request(
    s3: S3Client, bucket: str, headers: dict[str, str]
) -> None:
    signed = s3.signed("PUT", f"/{bucket}/key", body=b"body")
    message = request_bytes("PUT", signed.target, {**signed.headers, **headers}, b"body")

    assert (await s3.send(message)).refusal == (400, "BadRequest")
    assert await s3.keys_of(bucket) == []


async def test_a_transfer_coding_that_would_be_stored_is_not_implemented(
    s3: S3Client, bucket: str
) -> None:
    """gzip of Transfer-Encoding is how a body travels: stored as it came it is another body."""
    message = transfer_chunks(s3, f"/{bucket}/key", b"body")

    refused = await s3.send(message.replace(b"Encoding: chunked", b"Encoding: gzip, chunked"))

    assert refused.refusal == (501, "NotImplemented")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}], ids=["none", "chunked"])
async def test_an_upload_without_a_length_misses_it(
    s3: S3Client, bucket: str, headers: dict[str, str]
) -> None:
    signed = s3.signed("PUT", f"/{bucket}/key", content_sha256=UNSIGNED)

    refused = await s3.send(request_bytes("PUT", signed.target, {**signed.headers, **headers}))

    assert refused.refusal == (411, "MissingContentLength")
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "broken", [b"zz\r\n", b"-1\r\n", b"10000000000000000\r\n", b"4;\x00\r\nbody\r\n", b"\r\n"]
)
async def test_broken_transfer_chunks_store_nothing_and_close(
    s3: S3Client, bucket: str, disk: Disk, broken: bytes, size: int
) -> None:
    """The bad chunk comes alone, after a good one was taken."""
    head, _, chunks = transfer_chunks(s3, f"/{bucket}/key", os.urandom(size)).partition(b"\r\n\r\n")
    good = int(chunks.partition(b"\r\n")[0], 16) + chunks.index(b"\r\n") + 4
    async with s3.connected() as wire:
        await wire.send(head + b"\r\n\r\n" + chunks[:good])
        await asyncio.sleep(0.05)
        await wire.send(broken)

        rest = await wire.rest()

    assert rest == b"" or b" 400 Bad Request" in rest
    assert await disk.staged_afterwards() == []
    assert await s3.keys_of(bucket) == []


async def test_an_upload_above_5_gib_is_refused_before_it_is_sent(
    s3: S3Client, bucket: str
) -> None:
    message = s3.message(
        "PUT",
        f"/{bucket}/key",
        body=b"",
        headers={"Content-Length": str((5 << 30) + 1)},
        content_sha256=UNSIGNED,
    )

    refused = await s3.send(message)

    assert refused.refusal == (400, "EntityTooLarge")
    assert refused.error("MaxSizeAllowed") == str(5 << 30)
