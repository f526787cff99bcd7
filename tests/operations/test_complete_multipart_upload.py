"""Source: S3 API reference, CompleteMultipartUpload; S3 User Guide, "Checking object integrity",
"Conditional writes"; answers of S3 recorded in 2025, where nothing else is said.
"""

import asyncio
import time

import psycopg
import pytest

from tests.fix_s3 import S3Client, path_of
from tests.fix_server import RunningServer
from tests.operations.uploads import (
    MIN_PART,
    SentPart,
    begin,
    complete_document,
    md5_hex,
    multipart_etag,
    random_bytes,
    stored,
)

FIRST, SECOND, LAST = random_bytes(MIN_PART, 1), random_bytes(MIN_PART + 1, 2), b"the last"
WHOLE = FIRST + SECOND + LAST
NO_ETAG = "0" * 32


async def test_the_object_is_its_parts_in_order(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(FIRST, SECOND, LAST)

    completed = await upload.complete(parts)

    etag = multipart_etag([FIRST, SECOND, LAST])
    assert completed.status == 200
    assert completed.headers["content-type"] == "application/xml"
    assert [element.tag for element in completed.document][:4] == [
        "Location",
        "Bucket",
        "Key",
        "ETag",
    ]
    assert completed.texts("ETag") == [f'"{etag}"']
    read = await s3.get(upload.path)
    assert (read.body, read.etag) == (WHOLE, etag)
    assert await s3.keys_of(bucket) == ["key"]
    assert (await s3.get(f"/{bucket}?uploads")).texts("Upload/Key") == []


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("a b/c+d&é", "a%20b%2Fc%2Bd%26%C3%A9", id="what a URL has to escape"),
    ],
)
async def test_the_location_is_the_url_of_the_object(
    s3: S3Client, bucket: str, key: str, encoded: str
) -> None:
    """S3 writes "/" as "%2F" (github.com/aws/aws-sdk-go/issues/645)."""
    upload = await begin(s3, bucket, key)
    by_host = s3.on_bucket_host(bucket)
    target = f"{path_of('', key)[1:]}?uploadId={upload.id}"
    document = complete_document(await upload.sent(LAST))

    by_path = await s3.post(f"{upload.path}?uploadId={upload.id}", body=document)
    on_host = await by_host.post(target, body=document)

    assert by_path.texts("Location") == [f"{s3.endpoint}/{bucket}/{encoded}"]
    assert on_host.texts("Location") == [f"http://{by_host.host}/{encoded}"]
    assert by_path.texts("Key") == [key]


async def test_numbers_may_have_gaps_and_parts_may_be_left_out(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    for number, body in ((3, FIRST), (500, b"left out"), (10_000, LAST)):
        await upload.put(number, body)
    listed = [SentPart(3, md5_hex(FIRST)), SentPart(10_000, md5_hex(LAST))]

    completed = await upload.complete(listed)

    assert completed.texts("ETag") == [f'"{multipart_etag([FIRST, LAST])}"']
    assert (await s3.get(upload.path)).body == FIRST + LAST


async def test_a_part_that_was_uploaded_again_counts_as_it_was_last(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    (first,) = await upload.sent(b"first")
    again = await upload.put(1, b"again")

    stale = await upload.complete([first])
    completed = await upload.complete([SentPart(1, again.etag)])

    assert stale.refusal == (400, "InvalidPart")
    assert completed.status == 200
    assert (await s3.get(upload.path)).body == b"again"


async def test_the_last_part_may_be_empty(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)

    completed = await upload.complete(await upload.sent(FIRST, b""))

    assert completed.texts("ETag") == [f'"{multipart_etag([FIRST, b""])}"']
    assert (await s3.get(upload.path)).body == FIRST
    last = await s3.get(f"{upload.path}?partNumber=2")
    assert (last.body, last.headers["x-amz-mp-parts-count"]) == (b"", "2")


async def test_an_object_of_one_empty_part_is_empty(s3: S3Client, bucket: str) -> None:
    upload = await stored(s3, bucket, "key", b"")

    read = await s3.get(upload.path)

    assert (read.status, read.body, read.etag) == (200, b"", multipart_etag([b""]))


async def test_etags_may_come_without_quotes_and_the_document_without_a_namespace(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    (part,) = await upload.sent(LAST)
    body = (
        "<CompleteMultipartUpload><Part><ETag>" + part.etag + "</ETag>"
        "<PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    )

    completed = await s3.post(f"{upload.path}?uploadId={upload.id}", body=body.encode())

    assert completed.status == 200


@pytest.mark.parametrize(
    ("listed", "refusal"),
    [
        pytest.param([], (400, "MalformedXML"), id="none"),
        pytest.param([(1, NO_ETAG)], (400, "InvalidPart"), id="another ETag"),
        pytest.param([(7, NO_ETAG)], (400, "InvalidPart"), id="a part that is not there"),
        pytest.param([(2, NO_ETAG), (1, NO_ETAG)], (400, "InvalidPartOrder"), id="descending"),
        pytest.param([(1, NO_ETAG), (1, NO_ETAG)], (400, "InvalidPartOrder"), id="twice"),
        pytest.param([(0, NO_ETAG)], (400, "InvalidArgument"), id="number 0"),
        pytest.param([(1, md5_hex(LAST)), (2, md5_hex(LAST))], (400, "EntityTooSmall"), id="small"),
    ],
)
async def test_complete_refuses_a_list_and_the_upload_goes_on(
    s3: S3Client, bucket: str, listed: list[tuple[int, str]], refusal: tuple[int, str]
) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(LAST, LAST)

    refused = await upload.complete([SentPart(number, etag) for number, etag in listed])

    assert refused.refusal == refusal
    assert (await s3.get(upload.path)).status == 404
    assert (await upload.parts()).texts("Part/PartNumber") == ["1", "2"]
    assert (await upload.complete(parts[:1])).status == 200


async def test_entity_too_small_says_which_part_is(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    small = FIRST[1:]

    refused = await upload.complete(await upload.sent(FIRST, small, LAST))

    said = [refused.error(n) for n in ("ProposedSize", "MinSizeAllowed", "PartNumber", "ETag")]
    assert refused.refusal == (400, "EntityTooSmall")
    assert said == [str(MIN_PART - 1), str(MIN_PART), "2", md5_hex(small)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<CompleteMultipartUpload>", id="cut off"),
        pytest.param(b"<Delete/>", id="another document"),
        pytest.param(
            b"<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>",
            id="no number",
        ),
        pytest.param(
            complete_document(SentPart(number, NO_ETAG) for number in range(1, 10_002)),
            id="10,001 parts",
        ),
    ],
)
async def test_complete_refuses_what_is_no_list(s3: S3Client, bucket: str, body: bytes) -> None:
    upload = await begin(s3, bucket)
    await upload.put(1, LAST)

    refused = await s3.post(f"{upload.path}?uploadId={upload.id}", body=body)

    assert refused.refusal == (400, "MalformedXML")


async def test_complete_needs_an_upload_of_that_id_and_key(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    document = complete_document(await upload.sent(LAST))

    refused = [
        await s3.post(f"/{bucket}/key?uploadId={'A' * 64}", body=document),
        await s3.post(f"/{bucket}/key?uploadId=x", body=document),
        await s3.post(f"/{bucket}/another?uploadId={upload.id}", body=document),
    ]

    assert [each.refusal for each in refused] == [(404, "NoSuchUpload")] * 3


async def test_complete_asked_again_is_answered_the_same(s3: S3Client, bucket: str) -> None:
    """A client whose connection broke asks again (github.com/minio/minio/issues/13318)."""
    upload = await begin(s3, bucket)
    parts = await upload.sent(FIRST, LAST)

    first = await upload.complete(parts)
    again = await upload.complete(parts)
    later = await upload.complete(parts, {"If-None-Match": "*"})

    assert first.status == again.status == later.status == 200
    assert first.body == again.body == later.body


async def test_complete_asked_again_does_not_bring_back_what_was_replaced(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(LAST)
    await upload.complete(parts)
    await s3.put(upload.path, body=b"newer")

    again = await upload.complete(parts)

    assert again.texts("ETag") == [f'"{multipart_etag([LAST])}"']
    assert (await s3.get(upload.path)).body == b"newer"


async def test_complete_asked_again_with_another_list_is_refused(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(FIRST, LAST)
    await upload.complete(parts)

    assert (await upload.complete(parts[:1])).refusal == (404, "NoSuchUpload")
    assert (await s3.get(upload.path)).body == FIRST + LAST


async def test_nothing_more_can_be_done_to_a_completed_upload(s3: S3Client, bucket: str) -> None:
    upload = await stored(s3, bucket, "key", LAST)

    answers = [
        await upload.put(1, b"late"),
        await upload.copy(1, f"{bucket}/key"),
        await upload.parts(),
        await upload.abort(),
    ]

    assert [each.refusal for each in answers] == [(404, "NoSuchUpload")] * 4
    assert (await s3.get(upload.path)).body == LAST


async def test_an_upload_replaces_what_the_key_held(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"before", headers={"x-amz-meta-old": "1"})

    upload = await stored(s3, bucket, "key", LAST)

    read = await s3.get(upload.path)
    assert read.body == LAST
    assert "x-amz-meta-old" not in read.headers


async def test_if_none_match_lets_nothing_be_replaced_and_the_upload_go_on(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(LAST)
    await s3.put(upload.path, body=b"there")

    refused = await upload.complete(parts, {"If-None-Match": "*"})
    kept = await s3.get(upload.path)
    await s3.delete(upload.path)
    allowed = await upload.complete(parts, {"If-None-Match": "*"})

    assert refused.refusal == (412, "PreconditionFailed")
    assert refused.error("Condition") == "If-None-Match"
    assert kept.body == b"there"
    assert allowed.status == 200


async def test_if_match_replaces_only_the_object_that_was_meant(s3: S3Client, bucket: str) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(LAST)

    nothing_there = await upload.complete(parts, {"If-Match": f'"{NO_ETAG}"'})
    there = await s3.put(upload.path, body=b"there")
    another = await upload.complete(parts, {"If-Match": f'"{NO_ETAG}"'})
    the_one = await upload.complete(parts, {"If-Match": f'"{there.etag}"'})

    assert nothing_there.refusal == (404, "NoSuchKey")
    assert another.refusal == (412, "PreconditionFailed")
    assert the_one.status == 200
    assert (await s3.get(upload.path)).body == LAST


@pytest.mark.parametrize(
    ("stated", "refusal"),
    [
        pytest.param(str(len(FIRST + LAST)), (200, None), id="right"),
        pytest.param("1", (400, "InvalidRequest"), id="another size"),
        pytest.param("1_0", (400, "InvalidRequest"), id="no size"),
    ],
)
async def test_the_size_that_the_client_states_must_be_that_of_the_object(
    s3: S3Client, bucket: str, stated: str, refusal: tuple[int, str | None]
) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(FIRST, LAST)

    answer = await upload.complete(parts, {"x-amz-mp-object-size": stated})

    assert answer.refusal == refusal


@pytest.mark.slow
async def test_ten_thousand_parts_are_completed_in_less_than_two_seconds(
    s3: S3Client, bucket: str, server: RunningServer
) -> None:
    """The parts are one blob, 10,000 times: uploading 50 GB proves nothing more."""
    upload = await begin(s3, bucket)
    (first,) = await upload.sent(FIRST)
    with psycopg.connect(server.metadata_url, autocommit=True) as conn:
        values = {"id": upload.id}
        conn.execute(
            "INSERT INTO part (manifest_id, number, size, etag, checksum_algorithm, checksum)"
            " SELECT p.manifest_id, n, p.size, p.etag, p.checksum_algorithm, p.checksum"
            "   FROM part p JOIN multipart_upload u USING (manifest_id),"
            "        generate_series(2, 10000) AS n WHERE upload_id = %(id)s",
            values,
        )
        conn.execute(
            "INSERT INTO slice SELECT s.manifest_id, n, 0, s.digest, s.blob_byte, s.length"
            "  FROM slice s JOIN multipart_upload u USING (manifest_id),"
            "       generate_series(2, 10000) AS n WHERE upload_id = %(id)s",
            values,
        )
    parts = [SentPart(number, first.etag) for number in range(1, 10_001)]

    began = time.perf_counter()
    completed = await upload.complete(parts)
    took = time.perf_counter() - began

    head = await s3.head(f"{upload.path}?partNumber=10000")
    tail = await s3.get(upload.path, headers={"Range": "bytes=-7"})
    assert completed.status == 200
    etag = md5_hex(bytes.fromhex(first.etag) * 10_000) + "-10000"
    assert completed.texts("ETag") == [f'"{etag}"']
    assert head.headers["x-amz-mp-parts-count"] == "10000"
    assert tail.body == FIRST[-7:]
    assert took < 2


async def test_other_requests_are_answered_while_an_upload_is_completed(
    s3: S3Client, bucket: str
) -> None:
    upload = await begin(s3, bucket)
    parts = await upload.sent(FIRST, LAST)

    completed, listed = await asyncio.gather(upload.complete(parts), s3.get(f"/{bucket}"))

    assert (completed.status, listed.status) == (200, 200)
