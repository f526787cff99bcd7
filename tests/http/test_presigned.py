"""Presigned URLs: what their parameters choose is what was signed, and nothing can be added."""

from collections.abc import Mapping

import pytest

from tests.fix_clients import Boto
from tests.fix_s3 import Place, S3Client
from tests.wire import request_bytes


async def test_a_copy_source_in_the_url_makes_it_a_copy(s3: S3Client, bucket: str) -> None:
    """The SDKs for PHP and JavaScript hoist it, and S3 copies: minio issue 4167."""
    await s3.put(f"/{bucket}/source", body=b"body")

    copied = await s3.signing("query", "unsigned").put(
        f"/{bucket}/copy?x-amz-copy-source={bucket}%2Fsource"
    )

    assert (copied.status, copied.document.tag) == (200, "CopyObjectResult")
    assert (await s3.get(f"/{bucket}/copy")).body == b"body"


async def test_a_copy_that_botocore_presigned_with_version_2_copies(
    s3: S3Client, bucket: str, boto: Boto
) -> None:
    await s3.put(f"/{bucket}/source", body=b"body")
    url = boto.client(signature_version="s3").generate_presigned_url(
        "copy_object", {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/source"}
    )
    target = url.removeprefix(s3.endpoint)
    assert "x-amz-copy-source=" in target

    copied = await s3.send(request_bytes("PUT", target, {"Host": s3.host, "Content-Length": "0"}))

    assert (copied.status, copied.document.tag) == (200, "CopyObjectResult")
    assert (await s3.get(f"/{bucket}/copy")).body == b"body"


@pytest.mark.parametrize("place", ["query", "v2 query"])
@pytest.mark.parametrize(
    ("added", "headers"),
    [
        pytest.param("&x-amz-copy-source={bucket}%2Fkey", {}, id="copy source"),
        pytest.param("", {"x-amz-copy-source": "{bucket}/key"}, id="copy source in a header"),
        pytest.param("&tagging", {}, id="sub-resource"),
        pytest.param("&t%61gging", {}, id="sub-resource in escapes"),
        pytest.param("&partNumber=1&uploadId=a", {}, id="part of an upload"),
        pytest.param("&x-amz-meta-a=b", {}, id="metadata"),
        pytest.param("", {"x-amz-meta-a": "b"}, id="metadata in a header"),
        pytest.param("", {"x-amz-tagging": "a=b"}, id="tags in a header"),
        pytest.param("", {"x-amz-content-sha256": "0" * 64}, id="hash of the body"),
    ],
)
async def test_nothing_can_be_added_to_a_presigned_upload(
    s3: S3Client, bucket: str, place: Place, added: str, headers: Mapping[str, str]
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")
    given = s3.signing(place, "unsigned").signed(
        "PUT", f"/{bucket}/key", content_sha256="UNSIGNED-PAYLOAD"
    )
    more = {name: value.format(bucket=bucket) for name, value in headers.items()}
    message = request_bytes(
        "PUT",
        given.target + added.format(bucket=bucket),
        {**given.headers, **more, "Content-Length": "4"},
        b"body",
    )

    refused = await s3.send(message)

    assert refused.status == 403, refused.body
    assert refused.error_code in ("SignatureDoesNotMatch", "AccessDenied")
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"


@pytest.mark.parametrize("place", ["query", "v2 query"])
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
async def test_a_presigned_download_is_good_for_no_other_method(
    s3: S3Client, bucket: str, place: Place, method: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"as it was")
    given = s3.signing(place, "unsigned").signed("GET", f"/{bucket}/key")

    refused = await s3.send(
        request_bytes(method, given.target, {**given.headers, "Content-Length": "0"}), method
    )

    assert refused.status == 403
    assert (await s3.get(f"/{bucket}/key")).body == b"as it was"


@pytest.mark.parametrize("added", ["response-content-type=text%2Fhtml", "versionId=null"])
@pytest.mark.parametrize("place", ["query", "v2 query"])
async def test_nothing_can_be_added_to_a_presigned_download(
    s3: S3Client, bucket: str, place: Place, added: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    given = s3.signing(place, "unsigned").signed("GET", f"/{bucket}/key")

    refused = await s3.send(request_bytes("GET", f"{given.target}&{added}", given.headers))

    assert refused.refusal == (403, "SignatureDoesNotMatch")
