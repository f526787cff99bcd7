"""One request after the other: where one ends and the next begins, whatever a client sends.

A proxy that shares a connection among its clients believes the answers to be in their order.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import own_database, running_server
from tests.signing import UNSIGNED

UPGRADES = [
    pytest.param("GET", {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}, id="h2c"),
    pytest.param("GET", {"Connection": "Upgrade", "Upgrade": "websocket"}, id="websocket"),
    pytest.param("CONNECT", {"Content-Length": "100"}, id="CONNECT with a body"),
]


@pytest.mark.parametrize(("method", "headers"), UPGRADES)
async def test_a_request_to_speak_another_protocol_is_the_last_of_its_connection(
    s3: S3Client, bucket: str, method: str, headers: dict[str, str]
) -> None:
    smuggled = s3.message("PUT", f"/{bucket}/smuggled", body=b"body")
    inner = s3.message("PUT", f"/{bucket}/inner", body=b"")
    target = "example.org:80" if method == "CONNECT" else f"/{bucket}"
    async with s3.connected() as wire:
        await wire.send(s3.message(method, target, headers=headers) + smuggled + inner)

        answer = await wire.answer()
        rest = await wire.rest()

    assert answer.headers["connection"] == "close"
    assert rest == b""
    assert await s3.keys_of(bucket) == []


async def test_a_field_of_a_trailer_is_none_of_the_next_request(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    chunked = s3.message("GET", f"/{bucket}/key", headers={"Transfer-Encoding": "chunked"})
    async with s3.connected() as wire:
        await wire.send(chunked + b"0\r\nIf-None-Match: *\r\n\r\n")
        first = await wire.answer()
        await wire.send(s3.message("GET", f"/{bucket}/key"))
        rest = await wire.rest() if first.headers.get("connection") == "close" else b""

    assert first.status == 200
    assert b"304" not in rest


async def test_a_body_in_chunks_without_a_trailer_leaves_the_connection_open(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    headers = {"Transfer-Encoding": "chunked"}
    chunked = s3.message("GET", f"/{bucket}/key", headers=headers, content_sha256=UNSIGNED)
    async with s3.connected() as wire:
        for last in (b"0\r\n\r\n", b"4\r\nbody\r\n0\r\n\r\n"):
            await wire.send(chunked + last)
            assert (await wire.answer()).status == 200
        await wire.send(s3.message("GET", f"/{bucket}/key"))

        assert (await wire.answer()).body == b"body"


async def test_more_requests_than_are_read_ahead_are_all_answered_in_their_order(
    s3: S3Client, bucket: str
) -> None:
    put = s3.message("PUT", f"/{bucket}/key", body=b"body")
    async with s3.connected() as wire:
        await wire.send(put[:-4])
        await asyncio.sleep(0.1)
        reads = [s3.message("GET", f"/{bucket}/{'key' if n % 2 else 'no'}") for n in range(80)]
        await wire.send(put[-4:] + b"".join(reads))

        statuses = [(await wire.answer()).status for _ in range(81)]

    assert statuses == [200, *([404, 200] * 40)]


async def test_large_heads_that_are_sent_ahead_are_all_answered(s3: S3Client) -> None:
    head = s3.message("GET", "/", headers={f"x-padding-{n}": "x" * 15_000 for n in range(3)})
    async with s3.connected() as wire:
        sending = asyncio.create_task(wire.send(head * 40))

        statuses = [(await wire.answer()).status for _ in range(40)]
        await sending

    assert statuses == [200] * 40


async def test_an_upload_that_is_under_way_when_the_server_stops_is_received_and_answered(
    tmp_path: Path,
) -> None:
    body = b"x" * 300_000
    with own_database() as url, running_server(tmp_path, workers=1, database_url=url) as server:
        s3 = client_of(server)
        await s3.put("/bucket")
        message = s3.message("PUT", "/bucket/key", body=body)
        async with s3.connected() as wire:
            await wire.send(message[:-200_000])
            await asyncio.sleep(0.5)
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            await wire.send(message[-200_000:])

            answer = await wire.answer()

    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_trailer_that_does_not_end_is_refused(s3: S3Client, bucket: str) -> None:
    chunked = s3.message(
        "PUT",
        f"/{bucket}/key",
        headers={"Transfer-Encoding": "chunked", "x-amz-decoded-content-length": "100"},
        content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )
    async with s3.connected() as wire:
        await wire.send(chunked + b"4\r\n64\r\n\r\n")
        await asyncio.sleep(0.1)
        await wire.send(b"0\r\n")
        for n in range(7):  # the last one is beyond the limit of a head
            await wire.send(f"x-{n}: ".encode() + b"x" * 10_000 + b"\r\n")

        answer = await wire.answer()
        await wire.rest()

    assert (answer.status, answer.error_code) == (400, "IncompleteBody")
    assert await s3.keys_of(bucket) == []


async def test_chunks_of_a_client_of_http_1_0_end_its_connection(s3: S3Client, bucket: str) -> None:
    message = s3.message(
        "GET", f"/{bucket}", headers={"Transfer-Encoding": "chunked", "Connection": "keep-alive"}
    ).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    async with s3.connected() as wire:
        await wire.send(message + b"0\r\n\r\n" + s3.message("PUT", f"/{bucket}/smuggled"))

        answer = await wire.answer()
        rest = await wire.rest()

    assert (answer.status, answer.headers["connection"], rest) == (200, "close", b"")
    assert await s3.keys_of(bucket) == []
