"""What is not HTTP, or not quite: an error of S3 and a closed connection, never a hung one."""

import asyncio

import pytest

from tests.fix_s3 import S3Client
from tests.wire import request_bytes

HOST = b"Host: localhost\r\n"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\x00\x01\x02\r\n\r\n", id="binary"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="a TLS handshake"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET / HTTP/3.1\r\n" + HOST + b"\r\n", id="HTTP/3.1"),
        pytest.param(b"GET / HTTPS/1.1\r\n" + HOST + b"\r\n", id="another protocol"),
        pytest.param(b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n", id="method that is no token"),
        pytest.param(b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", id="method that nobody knows"),
        pytest.param(b"GET photos HTTP/1.1\r\n" + HOST + b"\r\n", id="target without a slash"),
        pytest.param(b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", id="space in the target"),
        pytest.param(b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n", id="control character"),
        pytest.param(b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n", id="broken URL"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", id="two Hosts"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"name\r\n\r\n", id="header without a colon"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"name : a\r\n\r\n", id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", id="header without a name"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"name: a\r\n b\r\n\r\n", id="folded header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"name: a\rb\r\n\r\n", id="bare CR"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"name: a\x00b\r\n\r\n", id="NUL in a header"),
        pytest.param(b"GET / HTTP/1.1\nHost: localhost\n\n", id="lines that end in LF"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n", id="500 headers"),
    ],
)
async def test_what_is_not_http_is_answered_bad_request_and_closed(
    s3: S3Client, message: bytes
) -> None:
    async with s3.connected() as wire:
        await wire.send(message)

        answer = await wire.answer()

        assert answer.refusal == (400, "BadRequest")
        assert answer.headers["server"] == "s3d"
        assert await wire.rest() == b""


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", id="long target"
        ),
        pytest.param(b"GET /" + b"a" * 400_000, id="line that never ends"),
        pytest.param(b"GET / HTTP/1.1\r\na: " + b"a" * 40_000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a" * 40_000 + b": a\r\n\r\n", id="long name"),
    ],
)
async def test_a_head_beyond_the_limits_is_refused_and_closed(s3: S3Client, message: bytes) -> None:
    async with s3.connected() as wire:
        await wire.send(message)

        answer = await wire.answer()

        assert answer.refusal == (400, "RequestHeaderSectionTooLarge")
        assert await wire.rest() == b""


async def test_a_head_of_many_long_headers_is_refused_before_it_ends(s3: S3Client) -> None:
    """No line is too long, but all of them together are more than a stranger may make us keep."""
    line = b"a" * 8_000 + b"\r\n"
    async with s3.connected() as wire:
        await wire.send(b"GET / HTTP/1.1\r\n" + HOST)
        for number in range(9):
            await wire.send(b"x-%d: " % number + line)
            await asyncio.sleep(0.01)

        assert b"<Code>RequestHeaderSectionTooLarge</Code>" in await wire.rest()


async def test_bytes_of_a_body_do_not_count_as_a_head(s3: S3Client, bucket: str) -> None:
    body = b"x" * 1_000_000
    async with s3.connected() as wire:
        for _ in range(3):
            assert (await s3.on(wire).put(f"/{bucket}/key", body=body)).status == 200

    assert (await s3.get(f"/{bucket}/key")).body == body


async def test_a_request_line_of_a_presigned_url_with_a_long_key_is_read(
    s3: S3Client, bucket: str
) -> None:
    """A key of 1,024 bytes, each of them escaped, and a signature behind it."""
    key = "%C3%BC" * 512

    answer = await s3.signing("query", "unsigned").put(f"/{bucket}/{key}", body=b"body")

    assert answer.status == 200


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PATCH", "PROPFIND"])
async def test_a_method_that_s3_does_not_have_is_not_allowed(s3: S3Client, method: str) -> None:
    answer = await s3.request(method, "/")

    assert answer.refusal == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("*", id="asterisk"),
        pytest.param("http://127.0.0.1/photos/a", id="absolute form, as proxies are asked"),
        pytest.param("//photos/a", id="bucket without a name"),
        pytest.param("/photos/%zz", id="escape that is none"),
        pytest.param("/photos/%4", id="escape cut short"),
        pytest.param("/photos/%ff", id="not UTF-8"),
        pytest.param("/photos/%ed%a0%80", id="a surrogate"),
        pytest.param("/photos/%c0%ae", id="overlong UTF-8"),
        pytest.param("/photos?prefix=%ff", id="not UTF-8 in the query"),
        pytest.param("/photos?prefix=%zz", id="broken escape in the query"),
    ],
)
async def test_a_target_that_is_no_path_is_an_invalid_uri(s3: S3Client, target: str) -> None:
    message = request_bytes("OPTIONS", target, {"Host": s3.host})

    assert (await s3.send(message)).refusal == (400, "InvalidURI")


async def test_requests_on_one_connection_are_answered_in_their_order(
    s3: S3Client, bucket: str
) -> None:
    sent = b"".join(s3.message("HEAD", f"/{bucket}/{number}") for number in range(20))
    async with s3.connected() as wire:
        await wire.send(sent + s3.message("GET", f"/{bucket}?location"))

        statuses = [(await wire.answer("HEAD")).status for _ in range(20)]

        assert statuses == [404] * 20
        assert (await wire.answer()).document.tag == "LocationConstraint"


async def test_http_1_0_is_answered_and_closed(s3: S3Client) -> None:
    async with s3.connected() as wire:
        await wire.send(s3.message("GET", "/").replace(b"HTTP/1.1", b"HTTP/1.0", 1))

        assert (await wire.answer()).status == 200
        assert await wire.rest() == b""


@pytest.mark.parametrize(
    "upgrade",
    [
        pytest.param(
            {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"},
            id="HTTP/2, as curl asks",
        ),
        pytest.param(
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
            id="WebSocket",
        ),
    ],
)
async def test_an_upgrade_is_declined_and_the_request_answered_as_the_last_one(
    s3: S3Client, bucket: str, upgrade: dict[str, str]
) -> None:
    async with s3.connected() as wire:
        await wire.send(s3.message("PUT", f"/{bucket}/key", body=b"body", headers=upgrade))

        answer = await wire.answer()
        rest = await wire.rest()

    # What may follow it, the parser does not read reliably: see test_connection_order.py.
    assert (answer.status, answer.headers["connection"], rest) == (200, "close", b"")
    assert (await s3.get(f"/{bucket}/key")).body == b"body"
