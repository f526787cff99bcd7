"""HeadObject. Source, unless a test says otherwise: S3 API reference, HeadObject."""

import pytest

from tests.fix_s3 import S3Client

VARYING = ("x-amz-request-id", "x-amz-id-2", "date")


@pytest.mark.parametrize("size", [0, 10, 100_000])
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        pytest.param("", {}, id="plain"),
        pytest.param("", {"x-amz-checksum-mode": "ENABLED"}, id="with its checksum"),
        pytest.param("?response-content-type=text/html", {}, id="with an override"),
        pytest.param("?partNumber=1", {}, id="part"),
        pytest.param("", {"If-None-Match": '"a"'}, id="condition that holds"),
        pytest.param("", {"If-Match": '"a"'}, id="condition that does not"),
        pytest.param("", {"If-None-Match": "*"}, id="not modified"),
        pytest.param("", {"Range": "bytes=2-4"}, id="range"),
        pytest.param("", {"Range": "bytes=2-4", "If-Range": '"a"'}, id="range of another version"),
        pytest.param("", {"Range": "bytes=100000-"}, id="range behind the end"),
        pytest.param("?partNumber=2", {}, id="no such part"),
        pytest.param("?partNumber=x", {}, id="no part number"),
        pytest.param("?versionId=abc", {}, id="no such version"),
    ],
)
async def test_head_object_answers_as_get_object_does_without_a_body(
    s3: S3Client, bucket: str, size: int, query: str, headers: dict[str, str]
) -> None:
    said = {"x-amz-meta-a": "b", "Cache-Control": "no-cache"}
    await s3.put(f"/{bucket}/key", body=b"x" * size, headers=said)

    async with s3.connected() as wire:
        head = await s3.on(wire).head(f"/{bucket}/key{query}", headers=headers)
        get = await s3.on(wire).get(f"/{bucket}/key{query}", headers=headers)

    varying = (*VARYING, "content-type", "content-length") if get.status >= 400 else VARYING
    assert head.status == get.status
    assert {n: v for n, v in head.headers.items() if n not in varying} == {
        n: v for n, v in get.headers.items() if n not in varying
    }


async def test_head_object_of_a_range_names_its_length(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"0123456789")

    head = await s3.head(f"/{bucket}/key", headers={"Range": "bytes=2-4"})

    assert (head.status, head.headers["content-length"]) == (206, "3")
    assert head.headers["content-range"] == "bytes 2-4/10"


async def test_head_object_of_a_key_that_is_not_there_is_404(s3: S3Client, bucket: str) -> None:
    head = await s3.head(f"/{bucket}/key")

    assert (head.status, head.body) == (404, b"")


async def test_head_object_tells_the_storage_class_unless_it_is_standard(
    s3: S3Client, bucket: str
) -> None:
    await s3.put(f"/{bucket}/a", headers={"x-amz-storage-class": "STANDARD"})
    await s3.put(f"/{bucket}/b", headers={"x-amz-storage-class": "GLACIER_IR"})

    heads = [await s3.head(f"/{bucket}/{key}") for key in "ab"]

    assert [head.headers.get("x-amz-storage-class") for head in heads] == [None, "GLACIER_IR"]
