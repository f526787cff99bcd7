"""GetObjectTagging, PutObjectTagging, DeleteObjectTagging, and the tags that other operations set.

What S3 does was recorded in January 2025 (LocalStack's snapshots of AWS), where nothing else is
said.
"""

import asyncio
import base64
import hashlib

import pytest

from tests.fix_s3 import S3Client

# Well above what is kept in the row.
LARGE = bytes(1 << 20)


def tagging(*tags: tuple[str, str]) -> bytes:
    """Return the body of PutObjectTagging."""
    rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    return f"<Tagging><TagSet>{rows}</TagSet></Tagging>".encode()


async def tags_of(s3: S3Client, path: str) -> list[tuple[str, str]]:
    answer = await s3.get(f"{path}?tagging")
    assert answer.status == 200, answer.body
    keys, values = answer.texts("TagSet/Tag/Key"), answer.texts("TagSet/Tag/Value")
    return list(zip(keys, values, strict=True))


@pytest.fixture
async def path(s3: S3Client, bucket: str) -> str:
    """The path of an object that has one tag, old=1."""
    path = f"/{bucket}/photo.jpg"
    stored = await s3.put(path, body=b"photo", headers={"x-amz-tagging": "old=1"})
    assert stored.status == 200, stored.body
    return path


async def test_put_object_tagging_replaces_all_tags(s3: S3Client, path: str) -> None:
    put = await s3.put(f"{path}?tagging", body=tagging(("ö b", " x "), ("a", "")))

    assert (put.status, put.body) == (200, b"")
    assert await tags_of(s3, path) == [("a", ""), ("ö b", " x ")]


async def test_put_object_tagging_of_an_empty_set_leaves_no_tags(s3: S3Client, path: str) -> None:
    put = await s3.put(f"{path}?tagging", body=tagging())

    assert put.status == 200
    assert await tags_of(s3, path) == []


async def test_delete_object_tagging_leaves_no_tags(s3: S3Client, path: str) -> None:
    deleted = await s3.delete(f"{path}?tagging")
    again = await s3.delete(f"{path}?tagging")

    assert (deleted.status, deleted.body, again.status) == (204, b"", 204)
    assert await tags_of(s3, path) == []
    assert (await s3.get(path)).body == b"photo"


@pytest.mark.parametrize("body", [pytest.param(b"row", id="row"), pytest.param(LARGE, id="blob")])
async def test_tagging_changes_nothing_else_of_the_object(
    s3: S3Client, bucket: str, body: bytes
) -> None:
    path = f"/{bucket}/key"
    await s3.put(path, body=body, headers={"x-amz-meta-name": "value"})
    before = await s3.get(path)
    await asyncio.sleep(1.1)  # Last-Modified has whole seconds

    await s3.put(f"{path}?tagging", body=tagging(("a", "1")))

    after = await s3.get(path)
    assert after.body == body
    for name in ("etag", "last-modified", "content-type", "x-amz-meta-name"):
        assert after.headers[name] == before.headers[name]


async def test_get_and_head_tell_how_many_tags_there_are(s3: S3Client, path: str) -> None:
    await s3.put(f"{path}?tagging", body=tagging(("a", "1"), ("b", "2")))

    got, head = await s3.get(path), await s3.head(path)

    assert got.headers["x-amz-tagging-count"] == head.headers["x-amz-tagging-count"] == "2"


async def test_get_and_head_are_silent_about_no_tags(s3: S3Client, path: str) -> None:
    await s3.delete(f"{path}?tagging")

    got, head = await s3.get(path), await s3.head(path)

    assert "x-amz-tagging-count" not in {**got.headers, **head.headers}


METHODS = pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])


@METHODS
async def test_the_null_version_is_the_object(s3: S3Client, path: str, method: str) -> None:
    body = tagging() if method == "PUT" else None

    answer = await s3.request(method, f"{path}?tagging&versionId=null", body=body)

    assert answer.status in (200, 204)


@METHODS
@pytest.mark.parametrize(
    ("version_id", "refusal"),
    [("3HL4kqtJvjVBH40Nrjfkd", (404, "NoSuchVersion")), ("", (400, "InvalidArgument"))],
)
async def test_another_version_has_no_tags(
    s3: S3Client, path: str, method: str, version_id: str, refusal: tuple[int, str]
) -> None:
    body = tagging() if method == "PUT" else None

    refused = await s3.request(method, f"{path}?tagging&versionId={version_id}", body=body)

    assert refused.refusal == refusal
    assert await tags_of(s3, path) == [("old", "1")]


@METHODS
async def test_a_key_that_holds_nothing_has_no_tags(s3: S3Client, bucket: str, method: str) -> None:
    body = tagging() if method == "PUT" else None

    refused = await s3.request(method, f"/{bucket}/fake-key?tagging", body=body)

    assert refused.refusal == (404, "NoSuchKey")
    assert refused.error("Key") == "fake-key"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param(b"", (400, "MalformedXML"), id="nothing"),
        pytest.param(b"<Tagging/>", (400, "MalformedXML"), id="no set"),
        pytest.param(b"<Tags><TagSet/></Tags>", (400, "MalformedXML"), id="another root"),
        pytest.param(
            b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            (400, "MalformedXML"),
            id="no value",
        ),
        pytest.param(tagging(("a", "1"), ("a", "1")), (400, "InvalidTag"), id="equal keys"),
        pytest.param(tagging(("Key1,Key2", "Val1")), (400, "InvalidTag"), id="comma"),
        pytest.param(tagging(("aws:prefixed", "Val1")), (400, "InvalidTag"), id="reserved"),
        pytest.param(
            tagging(*((str(number), "") for number in range(11))),
            (400, "BadRequest"),
            id="eleven",
        ),
        pytest.param(tagging(("a", "1" * (1 << 16))), (400, "MaxMessageLengthExceeded"), id="huge"),
    ],
)
async def test_put_object_tagging_refuses_a_body_and_changes_nothing(
    s3: S3Client, path: str, body: bytes, refusal: tuple[int, str]
) -> None:
    refused = await s3.put(f"{path}?tagging", body=body)

    assert refused.refusal == refusal
    assert await tags_of(s3, path) == [("old", "1")]


async def test_put_object_tagging_verifies_its_body(s3: S3Client, path: str) -> None:
    md5_of_another = base64.b64encode(hashlib.md5(b"another").digest()).decode()

    refused = await s3.put(
        f"{path}?tagging", body=tagging(("a", "1")), headers={"Content-MD5": md5_of_another}
    )

    assert refused.refusal == (400, "BadDigest")
    assert await tags_of(s3, path) == [("old", "1")]


@pytest.mark.parametrize("body", [pytest.param(b"row", id="row"), pytest.param(LARGE, id="blob")])
@pytest.mark.parametrize(
    "condition", [pytest.param({}, id="any"), pytest.param({"If-None-Match": "*"}, id="condition")]
)
async def test_put_object_takes_tags_from_its_header(
    s3: S3Client, bucket: str, body: bytes, condition: dict[str, str]
) -> None:
    headers = {"x-amz-tagging": "tag1=a%20b&tag2&tag=", **condition}

    await s3.put(f"/{bucket}/key", body=body, headers=headers)

    assert await tags_of(s3, f"/{bucket}/key") == [("tag", ""), ("tag1", "a b"), ("tag2", "")]


@pytest.mark.parametrize("header", ["key1=val1&key1=val2", "key1=val1,key2=val2"])
async def test_put_object_with_a_malformed_header_stores_nothing(
    s3: S3Client, path: str, header: str
) -> None:
    refused = await s3.put(path, body=b"second", headers={"x-amz-tagging": header})

    assert refused.refusal == (400, "InvalidArgument")
    assert refused.error("ArgumentName") == "x-amz-tagging"
    assert refused.error("ArgumentValue") == header
    assert (await s3.get(path)).body == b"photo"


async def test_put_object_drops_the_tags_of_what_it_replaces(s3: S3Client, path: str) -> None:
    await s3.put(path, body=b"second")

    assert await tags_of(s3, path) == []


async def test_delete_object_takes_the_tags_along(s3: S3Client, path: str) -> None:
    await s3.delete(path)
    await s3.put(path, body=b"second")

    assert await tags_of(s3, path) == []


async def test_a_multipart_upload_keeps_its_tags_for_the_object(s3: S3Client, path: str) -> None:
    created = await s3.post(f"{path}?uploads", headers={"x-amz-tagging": "a=1&b=2"})
    (upload_id,) = created.texts("UploadId")
    part = await s3.put(f"{path}?partNumber=1&uploadId={upload_id}", body=b"part")
    before = await tags_of(s3, path)

    completed = await s3.post(
        f"{path}?uploadId={upload_id}",
        body=b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
        + part.etag.encode()
        + b"</ETag></Part></CompleteMultipartUpload>",
    )

    assert completed.status == 200, completed.body
    assert before == [("old", "1")]
    assert await tags_of(s3, path) == [("a", "1"), ("b", "2")]


async def test_create_multipart_upload_refuses_a_malformed_header(s3: S3Client, path: str) -> None:
    refused = await s3.post(f"{path}?uploads", headers={"x-amz-tagging": "="})

    assert refused.refusal == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("headers", "tags"),
    [
        pytest.param({}, [("old", "1")], id="by default"),
        pytest.param({"x-amz-tagging-directive": "COPY"}, [("old", "1")], id="COPY"),
        pytest.param({"x-amz-tagging": "new=2"}, [("old", "1")], id="tags without REPLACE"),
        pytest.param({"x-amz-metadata-directive": "REPLACE"}, [("old", "1")], id="of metadata"),
        pytest.param(
            {"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "new=2"},
            [("new", "2")],
            id="REPLACE",
        ),
        pytest.param({"x-amz-tagging-directive": "REPLACE"}, [], id="REPLACE by nothing"),
    ],
)
async def test_copy_object_follows_the_tagging_directive(
    s3: S3Client, path: str, headers: dict[str, str], tags: list[tuple[str, str]]
) -> None:
    copied = await s3.put(f"{path}-copy", headers={"x-amz-copy-source": path, **headers})

    assert copied.status == 200, copied.body
    assert await tags_of(s3, f"{path}-copy") == tags
    assert await tags_of(s3, path) == [("old", "1")]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-amz-tagging-directive": "MERGE"}, id="directive"),
        pytest.param({"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "="}, id="tags"),
    ],
)
async def test_copy_object_refuses_malformed_headers_and_stores_nothing(
    s3: S3Client, path: str, headers: dict[str, str]
) -> None:
    refused = await s3.put(f"{path}-copy", headers={"x-amz-copy-source": path, **headers})

    assert refused.refusal == (400, "InvalidArgument")
    assert (await s3.get(f"{path}-copy")).status == 404
