"""DeleteObjects. Source, unless a test says otherwise: S3 API reference, DeleteObjects."""

import hashlib
from collections.abc import Iterable
from xml.sax.saxutils import escape

import pytest

from tests.fix_s3 import S3Client, path_of
from tests.signing import content_md5, sha256_base64
from tests.wire import Answer


def document(keys: Iterable[str], more: str = "") -> bytes:
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f"<Delete>{more}{objects}</Delete>".encode()


async def delete(s3: S3Client, bucket: str, body: bytes, **headers: str) -> Answer:
    digest = headers or {"Content-MD5": content_md5(body)}
    return await s3.post(f"/{bucket}?delete", body=body, headers=digest)


async def test_delete_objects_deletes_each_and_names_it(s3: S3Client, bucket: str) -> None:
    for key in ("a", "b", "c"):
        await s3.put(f"/{bucket}/{key}")

    deleted = await delete(s3, bucket, document(["a", "c", "not there"]))

    assert deleted.status == 200
    assert deleted.texts("Deleted/Key") == ["a", "c", "not there"]
    assert deleted.texts("Error") == []
    assert await s3.keys_of(bucket) == ["b"]


async def test_delete_objects_that_is_quiet_names_failures_alone(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a")

    body = document(["a", "../b"], more="<Quiet>true</Quiet>")
    deleted = await delete(s3, bucket, body)

    assert deleted.texts("Deleted/Key") == []
    assert deleted.texts("Error/Key") == ["../b"]
    assert await s3.keys_of(bucket) == []


async def test_delete_objects_takes_a_thousand_keys(s3: S3Client, bucket: str) -> None:
    keys = [f"{number:04}" for number in range(1000)]
    await s3.put(f"/{bucket}/0000")
    await s3.put(f"/{bucket}/0999")

    deleted = await delete(s3, bucket, document(keys))

    assert deleted.texts("Deleted/Key") == keys
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize(
    "key",
    ["a b", "a+b", "a%20b", "a&b<c>", "ü", "\U0001f469\u200d\U0001f467", " a ", "a//b", "a\tb\nc"],
)
async def test_delete_objects_reads_keys_as_they_are(s3: S3Client, bucket: str, key: str) -> None:
    await s3.put(path_of(bucket, key))

    deleted = await delete(s3, bucket, document([key]))

    assert deleted.texts("Deleted/Key") == [key]
    assert await s3.keys_of(bucket) == []


async def test_delete_objects_of_a_key_named_twice(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a")

    deleted = await delete(s3, bucket, document(["a", "a"]))

    assert (deleted.status, deleted.texts("Deleted/Key")) == (200, ["a", "a"])


@pytest.mark.parametrize(
    ("members", "error"),
    [
        pytest.param("<VersionId>null</VersionId>", None, id="null version"),
        pytest.param(f"<ETag>{hashlib.md5(b'body').hexdigest()}</ETag>", None, id="as it was"),
        pytest.param("<ETag>*</ETag>", None, id="anything"),
        pytest.param("<Size>4</Size>", None, id="of that size"),
        pytest.param("<ETag>a</ETag>", "PreconditionFailed", id="not as it was"),
        pytest.param("<Size>5</Size>", "PreconditionFailed", id="of another size"),
        pytest.param(
            "<LastModifiedTime>2000-01-01T00:00:00Z</LastModifiedTime>",
            "PreconditionFailed",
            id="of another time",
        ),
    ],
)
async def test_delete_objects_keeps_the_conditions_of_each(
    s3: S3Client, bucket: str, members: str, error: str | None
) -> None:
    await s3.put(f"/{bucket}/a", body=b"body")
    await s3.put(f"/{bucket}/b", body=b"body")
    body = (
        f"<Delete><Object><Key>a</Key>{members}</Object><Object><Key>b</Key></Object></Delete>"
    ).encode()

    deleted = await delete(s3, bucket, body)

    assert deleted.texts("Error/Code") == ([] if error is None else [error])
    assert await s3.keys_of(bucket) == ([] if error is None else ["a"])


async def test_delete_objects_of_another_version_deletes_nothing(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a")
    body = b"<Delete><Object><Key>a</Key><VersionId>abc</VersionId></Object></Delete>"

    deleted = await delete(s3, bucket, body)

    assert deleted.status == 200
    assert await s3.keys_of(bucket) == ["a"]


ONE = document(["a"])


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-amz-checksum-sha256": sha256_base64(ONE)}, id="checksum"),
        pytest.param({"Content-MD5": content_md5(ONE)}, id="MD5"),
    ],
)
async def test_delete_objects_takes_either_digest(
    s3: S3Client, bucket: str, headers: dict[str, str]
) -> None:
    await s3.put(f"/{bucket}/a")

    assert (await delete(s3, bucket, ONE, **headers)).status == 200
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, "InvalidRequest", id="no digest"),
        pytest.param({"Content-MD5": content_md5(b"another")}, "BadDigest", id="wrong MD5"),
        pytest.param({"Content-MD5": "rubbish"}, "InvalidDigest", id="MD5 that is none"),
        pytest.param({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest", id="wrong CRC32"),
    ],
)
async def test_delete_objects_deletes_nothing_unless_its_digest_holds(
    s3: S3Client, bucket: str, headers: dict[str, str], code: str
) -> None:
    await s3.put(f"/{bucket}/a")

    refused = await s3.post(f"/{bucket}?delete", body=ONE, headers=headers)

    assert refused.refusal == (400, code)
    assert await s3.keys_of(bucket) == ["a"]


BILLION_LAUGHS = (
    b'<!DOCTYPE Delete [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><Delete><Object><Key>&j;</Key></Object></Delete>"
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"rubbish", id="rubbish"),
        pytest.param(ONE[:-1], id="cut short"),
        pytest.param(ONE + b"more", id="more behind"),
        pytest.param(b"<Delete/>", id="no object"),
        pytest.param(document(str(number) for number in range(1001)), id="1,001 objects"),
        pytest.param(b"<Delete><Object/></Delete>", id="no key"),
        pytest.param(document([""]), id="empty key"),
        pytest.param(ONE.replace(b"Delete", b"Deletes"), id="another root"),
        pytest.param(ONE.replace(b"a<", b"a<b/><"), id="element in a key"),
        pytest.param(document(["a"], more="<Quiet>maybe</Quiet>"), id="neither true nor false"),
        pytest.param(ONE.replace(b"</Key>", b"</Key><Size>x</Size>"), id="size that is none"),
        pytest.param(ONE.replace(b"</Key>", b"</Key><Key>b</Key>"), id="two keys"),
        pytest.param(b"<!DOCTYPE Delete>" + ONE, id="DOCTYPE"),
        pytest.param(BILLION_LAUGHS, id="billion laughs"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + document(["x"]),
            id="external entity",
        ),
        pytest.param('<?xml version="1.0"?>'.encode("utf-16") + ONE, id="UTF-16"),
        pytest.param(
            b'<?xml version="1.0" encoding="latin-1"?><Delete><Object><Key>\xfc</Key></Object>'
            b"</Delete>",
            id="Latin 1",
        ),
        pytest.param(ONE.replace(b"a<", b"\xff<"), id="not UTF-8"),
        pytest.param(b"<a>" * 100_000, id="deep"),
        pytest.param(b"<Delete>" + b"<a/>" * 100_000 + b"</Delete>", id="many elements"),
    ],
)
async def test_delete_objects_of_a_malformed_body_deletes_nothing(
    s3: S3Client, bucket: str, body: bytes
) -> None:
    await s3.put(f"/{bucket}/a")

    refused = await delete(s3, bucket, body)

    assert refused.refusal == (400, "MalformedXML")
    assert await s3.keys_of(bucket) == ["a"]


async def test_delete_objects_of_an_endless_body_is_refused_unread(
    s3: S3Client, bucket: str
) -> None:
    refused = await s3.post(
        f"/{bucket}?delete",
        body=b"<Delete>",
        headers={"Content-MD5": content_md5(b""), "Content-Length": str(1 << 40)},
    )

    assert refused.refusal == (400, "MaxMessageLengthExceeded")


async def test_delete_objects_does_not_take_a_streamed_body(s3: S3Client, bucket: str) -> None:
    refused = await s3.signing("header", "signed chunks").post(
        f"/{bucket}?delete", body=ONE, headers={"x-amz-checksum-sha256": sha256_base64(ONE)}
    )

    assert refused.refusal == (400, "InvalidRequest")
