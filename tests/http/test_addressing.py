"""Which bucket and key a request means, in both styles, for every key that S3 takes."""

from urllib.parse import quote

import pytest

from tests.fix_s3 import S3Client, path_of

KEYS = [
    pytest.param("a", id="one letter"),
    pytest.param("a/b", id="a folder"),
    pytest.param("a//b", id="an empty segment"),
    pytest.param("a/", id="trailing slash"),
    pytest.param("/a", id="leading slash"),
    pytest.param("//", id="slashes alone"),
    pytest.param("a/./b", id="dot segment"),
    pytest.param("a/../b", id="dots that stay inside"),
    pytest.param("./a", id="leading dot"),
    pytest.param(".", id="a dot"),
    pytest.param("a/..b", id="dots that are a name"),
    pytest.param("...", id="three dots"),
    pytest.param("a b", id="space"),
    pytest.param(" a ", id="spaces around"),
    pytest.param("a+b", id="plus"),
    pytest.param("a%20b", id="an escape that is text"),
    pytest.param("100%", id="percent"),
    pytest.param("%2F%2e%2e", id="escaped dots that are text"),
    pytest.param("a?b=c&d", id="query that is text"),
    pytest.param("a#b", id="hash"),
    pytest.param("a;b,c:d@e=f$g!h*i'j(k)", id="reserved characters"),
    pytest.param('"<>\\^`{|}[]', id="unwise characters"),
    pytest.param("~-._", id="unreserved characters"),
    pytest.param("ü", id="umlaut"),
    pytest.param("u\u0308", id="umlaut, decomposed"),
    pytest.param("\U0001f469\u200d\U0001f467", id="emoji"),
    pytest.param("\u202eb\ufeff\u00a0", id="marks and odd spaces"),
    pytest.param("\uffff\ufffe\U0010ffff", id="no characters"),
    pytest.param("a\nb\rc\td", id="white space"),
    pytest.param("\x01\x1b[31m\x7f", id="control characters"),
    pytest.param("x" * 1024, id="1,024 bytes"),
    pytest.param("ü" * 512, id="1,024 bytes of UTF-8"),
    pytest.param("\x01" * 1024, id="1,024 control characters"),
    pytest.param("a/" * 512, id="512 folders"),
    pytest.param("-/live", id="like the health of the server"),
    pytest.param("soap", id="soap"),
]


@pytest.mark.parametrize("style", ["path", "virtual host"])
@pytest.mark.parametrize("key", KEYS)
async def test_a_key_comes_back_byte_for_byte(
    s3: S3Client, bucket: str, key: str, style: str
) -> None:
    body = key.encode()
    if style == "path":
        client, target = s3, path_of(bucket, key)
    else:
        client, target = s3.on_bucket_host(bucket), "/" + quote(key, safe="/")

    stored = await client.put(target, body=body)

    assert stored.status == 200, stored.body
    assert (await client.get(target)).body == body
    assert await s3.keys_of(bucket) == [key]
    assert (await s3.get(f"/{bucket}?list-type=2")).status == 200
    assert (await client.delete(target)).status == 204
    assert (await client.head(target)).status == 404


async def test_both_styles_name_the_same_object(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a/b", body=b"body")

    assert (await s3.on_bucket_host(bucket).get("/a/b")).body == b"body"
    assert (await s3.on_bucket_host(bucket.upper()).get("/a/b")).body == b"body"


async def test_a_key_and_a_folder_of_the_same_name_are_two(s3: S3Client, bucket: str) -> None:
    for key in ("a", "a/", "a/b", "a//b", "A"):
        await s3.put(path_of(bucket, key), body=key.encode())

    bodies = [(await s3.get(path_of(bucket, key))).body for key in ("a", "a/", "a/b", "a//b", "A")]

    assert bodies == [b"a", b"a/", b"a/b", b"a//b", b"A"]


@pytest.mark.parametrize(
    "encoded",
    ["%61", "a", "%61".upper()],
)
async def test_a_key_is_decoded_once(s3: S3Client, bucket: str, encoded: str) -> None:
    await s3.put(f"/{bucket}/{encoded}", body=b"body")

    assert await s3.keys_of(bucket) == ["a"]


async def test_a_plus_in_a_path_is_a_plus(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/a+b", body=b"body")

    assert (await s3.get(f"/{bucket}/a%2Bb")).body == b"body"


async def test_a_plus_in_a_query_is_a_space(s3: S3Client, bucket: str) -> None:
    """object_store, and so delta-rs and polars, writes a space in a query so."""
    await s3.put(f"/{bucket}/a%20b", body=b"body")

    assert (await s3.get(f"/{bucket}?list-type=2&prefix=a+b")).texts("Contents/Key") == ["a b"]


@pytest.mark.parametrize("style", ["path", "virtual host"])
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("../x", id="above the bucket"),
        pytest.param("%2e%2e/x", id="escaped dots"),
        pytest.param("..%2fx", id="escaped slash"),
        pytest.param("..", id="dots alone"),
        pytest.param("a/../../x", id="above the bucket from within"),
        pytest.param("a/..//../x", id="an empty segment is no step down"),
    ],
)
async def test_a_key_that_would_leave_its_bucket_is_refused(
    s3: S3Client, bucket: str, target: str, style: str
) -> None:
    client, path = (s3, f"/{bucket}/{target}")
    if style == "virtual host":
        client, path = s3.on_bucket_host(bucket), f"/{target}"

    refused = await client.put(path, body=b"body")

    assert refused.status == 400
    assert (await client.get(path)).status == 400
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize(
    ("target", "code"),
    [
        pytest.param("x" * 1025, "KeyTooLongError", id="1,025 bytes"),
        pytest.param("%C3%BC" * 512 + "x", "KeyTooLongError", id="1,025 bytes of UTF-8"),
        pytest.param("a%00b", "InvalidArgument", id="NUL"),
        pytest.param("%ff%fe", "InvalidURI", id="not UTF-8"),
        pytest.param("%C0%80", "InvalidURI", id="NUL in overlong UTF-8"),
        pytest.param("%zz", "InvalidURI", id="escape that is none"),
    ],
)
async def test_what_is_no_key_is_refused(s3: S3Client, bucket: str, target: str, code: str) -> None:
    refused = await s3.put(f"/{bucket}/{target}", body=b"body")

    assert refused.refusal == (400, code)
    assert await s3.keys_of(bucket) == []


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Photos",
        "a_b",
        "a..b",
        "-ab",
        "ab-",
        "192.168.0.1",
        "xn--a",
        "%20ab",
        "a%00b",
    ],
)
async def test_what_is_no_name_of_a_bucket_is_refused(s3: S3Client, name: str) -> None:
    answers = [await s3.put(f"/{name}"), await s3.get(f"/{name}"), await s3.get(f"/{name}/key")]

    assert [answer.refusal for answer in answers] == [(400, "InvalidBucketName")] * 3


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9000", "127.0.0.1", "[::1]:9000", "example.com", "bucket.example.com"],
)
async def test_a_host_outside_the_domains_means_path_style(
    s3: S3Client, bucket: str, host: str
) -> None:
    assert (await s3.on_host(host).head(f"/{bucket}")).status == 200


async def test_a_bucket_with_dots_can_be_a_host(s3: S3Client, bucket: str) -> None:
    name = f"{bucket}.with.dots"
    await s3.on_bucket_host(name).put("/")

    assert (await s3.head(f"/{name}")).status == 200
    assert (await s3.delete(f"/{name}")).status == 204


async def test_a_host_that_names_no_bucket_is_refused(s3: S3Client) -> None:
    refused = await s3.on_host("a_b.localhost").get("/")

    assert refused.refusal == (400, "InvalidBucketName")


async def test_a_slash_behind_the_bucket_changes_nothing(s3: S3Client, bucket: str) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")

    assert (await s3.get(f"/{bucket}/?list-type=2")).texts("Contents/Key") == ["key"]
    assert (await s3.head(f"/{bucket}/")).status == 200
