"""Every operation that has no handler says so under its own name, and does nothing."""

from collections.abc import Callable

import pytest
from botocore.model import ServiceModel

from server import routes
from tests.fix_botocore import SentRequest, s3_service_model
from tests.fix_s3 import S3Client

TABLES = (routes.SERVICE, routes.BUCKET, routes.OBJECT)
MODEL: ServiceModel = s3_service_model()
WITHOUT_HANDLER = sorted(
    {row.operation.name for table in TABLES for row in table.rows if row.operation.handler is None}
)


@pytest.mark.parametrize(
    "name", [name for name in WITHOUT_HANDLER if name in MODEL.operation_names]
)
async def test_an_operation_without_a_handler_answers_not_implemented(
    s3: S3Client, bucket: str, sent_by_botocore: Callable[..., SentRequest], name: str
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")
    target = target_of(name, bucket, sent_by_botocore)
    sent = sent_by_botocore(name)

    refused = await s3.request(
        sent.method,
        target,
        headers={n: v for n, v in sent.headers.items() if n.startswith("x-amz-request-")},
        body=b"rubbish" if sent.method in ("PUT", "POST") else None,
    )

    assert refused.refusal == (501, "NotImplemented")
    assert refused.error("Operation") == name
    assert (await s3.get(f"/{bucket}/key")).body == b"body"
    assert await s3.keys_of(bucket) == ["key"]


def target_of(name: str, bucket: str, sent_by_botocore: Callable[..., SentRequest]) -> str:
    """Return what botocore asks for, but of a bucket and a key that are there."""
    sent = sent_by_botocore(name)
    if name == "ListDirectoryBuckets":
        return "/?max-directory-buckets=1"  # else only its signature tells it from ListBuckets
    query = "&".join(f"{n}={v}" if v else n for n, v in sent.query.items())
    slashes = sent.path.rstrip("/").count("/")
    path = ("/", f"/{bucket}", f"/{bucket}/key")[min(slashes, 2)]
    return f"{path}?{query}" if query else path


@pytest.mark.parametrize("name", WITHOUT_HANDLER)
def test_an_operation_without_a_handler_is_one_of_s3s(name: str) -> None:
    assert name in MODEL.operation_names or name in ("PostObject", "PreflightRequest")


@pytest.mark.parametrize("target", ["/", "/{bucket}", "/{bucket}/key"])
async def test_a_preflight_is_not_implemented(s3: S3Client, bucket: str, target: str) -> None:
    refused = await s3.request("OPTIONS", target.format(bucket=bucket))

    assert (refused.refusal, refused.error("Operation")) == (
        (501, "NotImplemented"),
        "PreflightRequest",
    )


async def test_a_browser_form_is_not_implemented(s3: S3Client, bucket: str) -> None:
    refused = await s3.post(f"/{bucket}", body=b"form")

    assert (refused.refusal, refused.error("Operation")) == (
        (501, "NotImplemented"),
        "PostObject",
    )


async def test_an_operation_without_a_handler_needs_its_bucket(s3: S3Client) -> None:
    assert (await s3.get("/no-such-bucket?policy")).refusal == (404, "NoSuchBucket")


@pytest.mark.parametrize(
    ("method", "target", "refusal"),
    [
        pytest.param("DELETE", "?versioning", (405, "MethodNotAllowed"), id="no such method"),
        pytest.param("DELETE", "?location", (405, "MethodNotAllowed"), id="location"),
        pytest.param("POST", "/key", (405, "MethodNotAllowed"), id="POST to a key"),
        pytest.param("GET", "?acl&policy", (400, "InvalidArgument"), id="two sub-resources"),
        pytest.param("DELETE", "?tagging&acl", (400, "InvalidArgument"), id="two, with DELETE"),
        pytest.param("DELETE", "?torrent", (400, "InvalidRequest"), id="of a key, not a bucket"),
        pytest.param("DELETE", "/key?replication", (400, "InvalidRequest"), id="of a bucket"),
    ],
)
async def test_a_sub_resource_never_falls_through_to_the_bare_operation(
    s3: S3Client, bucket: str, method: str, target: str, refusal: tuple[int, str]
) -> None:
    await s3.put(f"/{bucket}/key", body=b"body")

    refused = await s3.request(method, f"/{bucket}{target}")

    assert refused.refusal == refusal
    assert await s3.keys_of(bucket) == ["key"]
