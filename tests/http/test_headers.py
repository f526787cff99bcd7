"""Headers of requests and of answers."""

from collections.abc import Sequence

import pytest

from tests.fix_s3 import S3Client


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/", id="200"),
        pytest.param("GET", "/-/live", id="live"),
        pytest.param("GET", "/-/ready", id="ready"),
        pytest.param("GET", "/no-such-bucket/key", id="404"),
        pytest.param("HEAD", "/no-such-bucket/key", id="404 without a body"),
        pytest.param("GET", "/NO/key", id="400"),
        pytest.param("BREW", "/", id="not HTTP"),
        pytest.param("PUT", "/no-such-bucket?acl", id="404 with a sub-resource"),
    ],
)
async def test_every_answer_has_the_ids_of_s3(s3: S3Client, method: str, target: str) -> None:
    first = await s3.request(method, target)
    second = await s3.request(method, target)

    assert len(first.headers["x-amz-request-id"]) == 16
    assert first.headers["x-amz-request-id"] != second.headers["x-amz-request-id"]
    assert first.headers["x-amz-id-2"]
    assert "date" in first.headers


async def test_workers_give_ids_of_their_own(both_workers: Sequence[S3Client]) -> None:
    answers = [await s3.get("/-/live") for s3 in both_workers for _ in range(20)]

    assert len({answer.headers["x-amz-request-id"] for answer in answers}) == len(answers)


async def test_an_error_document_repeats_the_ids_of_its_headers(s3: S3Client) -> None:
    refused = await s3.get("/no-such-bucket")

    assert refused.error("RequestId") == refused.headers["x-amz-request-id"]
    assert refused.error("HostId") == refused.headers["x-amz-id-2"]
    assert refused.headers["content-type"] == "application/xml"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param("/no-such-bucket", 404, id="no bucket"),
        pytest.param("/no-such-bucket/key", 404, id="no bucket of the key"),
        pytest.param("/NO", 400, id="no name of a bucket"),
        pytest.param("/photos/%ff", 400, id="no URI"),
    ],
)
async def test_errors_of_head_have_no_body(s3: S3Client, target: str, status: int) -> None:
    """The next answer on the connection begins where the head of the first one ends."""
    async with s3.connected() as wire:
        refused = await s3.on(wire).head(target)
        following = await s3.on(wire).get("/-/live")

    assert refused.status == status
    assert following.status == 200


async def test_health_needs_no_signature_and_says_nothing(s3: S3Client) -> None:
    answers = [await s3.signing("nowhere").get(path) for path in ("/-/live", "/-/ready")]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b""), (200, b"")]


@pytest.mark.parametrize("path", ["/-/", "/-/metrics", "/-/live/", "/-/../live"])
async def test_nothing_else_is_open_beside_health(s3: S3Client, path: str) -> None:
    refused = await s3.signing("nowhere").get(path)

    assert refused.refusal == (403, "AccessDenied")


@pytest.mark.parametrize(
    "repeated",
    ["Authorization", "Host", "x-amz-date", "x-amz-content-sha256", "Content-Length"],
)
async def test_a_repeated_header_that_decides_who_signed_what_is_refused(
    s3: S3Client, bucket: str, repeated: str
) -> None:
    head, _, body = s3.message("PUT", f"/{bucket}/key", body=b"body").partition(b"\r\n\r\n")
    line = next(
        line for line in head.split(b"\r\n") if line.lower().startswith(repeated.lower().encode())
    )

    refused = await s3.send(head + b"\r\n" + line + b"\r\n\r\n" + body)

    assert refused.status == 400
    assert await s3.keys_of(bucket) == []


async def test_other_repeated_headers_are_joined(s3: S3Client, bucket: str) -> None:
    """Signed as they are joined: RFC 9110 section 5.3, and Signature Version 4."""
    message = s3.message(
        "PUT", f"/{bucket}/key", body=b"", headers={"x-amz-meta-colour": "red,green"}
    )

    stored = await s3.send(
        message.replace(
            b"x-amz-meta-colour: red,green", b"x-amz-meta-colour: red\r\nX-Amz-Meta-Colour: green"
        )
    )

    assert stored.status == 200
    assert (await s3.head(f"/{bucket}/key")).headers["x-amz-meta-colour"] == "red,green"


async def test_header_values_are_stripped_and_names_have_any_case(
    s3: S3Client, bucket: str
) -> None:
    message = s3.message("PUT", f"/{bucket}/key", body=b"", headers={"x-amz-meta-a": "b"})

    stored = await s3.send(message.replace(b"x-amz-meta-a: b", b"X-AMZ-META-A: \t b \t"))

    assert stored.status == 200
    assert (await s3.head(f"/{bucket}/key")).headers["x-amz-meta-a"] == "b"


async def test_a_header_that_is_not_utf_8_does_not_break_its_error(
    s3: S3Client, bucket: str
) -> None:
    refused = await s3.put(f"/{bucket}/key", headers={"x-amz-storage-class": "\udcff\udcfe"})

    assert refused.refusal == (400, "InvalidStorageClass")
    assert refused.error("StorageClassRequested") == "\ufffd\ufffd"


async def test_an_answer_cannot_be_split_by_what_a_request_says(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")

    refused = await s3.get(f"/{bucket}/key?response-content-type=a%0d%0aSet-Cookie:%20b")

    assert refused.refusal == (400, "InvalidArgument")
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_an_answer_cannot_be_split_by_a_version_id(
    s3: S3Client, bucket: str, method: str
) -> None:
    """A DELETE repeats the id in a header of its answer."""
    refused = await s3.request(method, f"/{bucket}/key?versionId=a%0d%0aSet-Cookie:%20b")

    assert refused.status == 400
    assert "set-cookie" not in refused.headers
