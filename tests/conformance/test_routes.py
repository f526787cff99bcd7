"""The closed table of routes against botocore's model of S3."""

from collections.abc import Callable, Mapping
from itertools import combinations

import pytest

from server.routes import BUCKET, OBJECT, SERVICE, SUB_RESOURCES
from server.rules.routing import Table, match, refusal
from tests.fix_botocore import DOMAIN, SentRequest, s3_service_model

pytestmark = pytest.mark.conformance

MODEL = s3_service_model()
TABLES = {"service": SERVICE, "bucket": BUCKET, "object": OBJECT}
METHODS = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]

# Older names of the same requests: the model calls them deprecated and its serializer writes the
# same method and query for both.
SAME_REQUEST = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
# Operations of S3 that botocore does not model: a form upload, and CORS.
NOT_IN_THE_MODEL = {"PostObject", "PreflightRequest"}

SendByBotocore = Callable[..., SentRequest]


def table_of(request: SentRequest) -> Table:
    """Return the table that the address of the request calls for, host first as S3 reads it."""
    bucket, _, key = request.path.strip("/").partition("/")
    if request.host != DOMAIN:
        return OBJECT if bucket else BUCKET
    return OBJECT if key else BUCKET if bucket else SERVICE


def name_of(
    table: Table, method: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> str | None:
    operation = match(table, method, query, headers or {})
    return None if operation is None else operation.name


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("name", MODEL.operation_names)
def test_match_finds_the_operation_botocore_means(
    sent_by_botocore: SendByBotocore, name: str, style: str
) -> None:
    request = sent_by_botocore(name, style)

    found = name_of(table_of(request), request.method, request.query, request.headers)

    assert found == SAME_REQUEST.get(name, name)


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_match_lets_an_operation_have_all_query_members_of_the_model(
    sent_by_botocore: SendByBotocore, name: str
) -> None:
    request = sent_by_botocore(name)
    shape = MODEL.operation_model(name).input_shape
    members = shape.members.values() if shape else ()
    query = {
        member.serialization["name"]: "1"
        for member in members
        if member.serialization.get("location") == "querystring"
    }

    found = name_of(table_of(request), request.method, query | request.query, request.headers)

    assert found == SAME_REQUEST.get(name, name)


def test_every_row_is_an_operation_of_the_model() -> None:
    named = {row.operation.name for table in TABLES.values() for row in table.rows}

    assert named == set(MODEL.operation_names) - set(SAME_REQUEST) | NOT_IN_THE_MODEL


def test_sub_resources_are_those_of_the_model() -> None:
    """A name in a requestUri is a sub-resource; so are these, which the model calls parameters."""
    paths = [MODEL.operation_model(name).http["requestUri"] for name in MODEL.operation_names]
    in_paths = {
        condition.partition("=")[0]
        for path in paths
        for condition in path.partition("?")[2].split("&")
    }

    parameters = {"", "list-type", "select-type"}
    called_parameters = {"annotationName", "partNumber", "uploadId", "versionId"}
    assert in_paths - parameters | called_parameters == SUB_RESOURCES


def takes(table: Table, method: str, sub_resources: frozenset[str]) -> bool:
    return any(
        row.method == method and row.sub_resources <= sub_resources <= row.taken
        for row in table.rows
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", TABLES)
def test_match_never_ignores_a_sub_resource(path: str, method: str) -> None:
    table = TABLES[path]
    foreign = [name for name in SUB_RESOURCES if not takes(table, method, frozenset({name}))]

    found = {name: name_of(table, method, {name: "", "prefix": "a"}) for name in foreign}

    assert found == dict.fromkeys(foreign)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", TABLES)
def test_match_never_ignores_one_of_two_sub_resources(path: str, method: str) -> None:
    table = TABLES[path]
    foreign = [
        pair
        for pair in combinations(sorted(SUB_RESOURCES), 2)
        if not takes(table, method, frozenset(pair))
    ]

    found = {pair: name_of(table, method, dict.fromkeys(pair, "")) for pair in foreign}

    assert found == dict.fromkeys(foreign)


@pytest.mark.parametrize("path", TABLES)
def test_a_row_with_a_sub_resource_is_never_the_bare_operation(path: str) -> None:
    bare = {name_of(TABLES[path], method, {}) for method in METHODS}

    behind_sub_resources = {
        row.operation.name for row in TABLES[path].rows if row.sub_resources and row.required
    }

    assert not bare & behind_sub_resources


@pytest.mark.parametrize(
    ("path", "method", "query", "name"),
    [
        pytest.param("bucket", "GET", {"foo": "1"}, "ListObjects", id="unknown parameter"),
        pytest.param("bucket", "GET", {"x-id": "GetBucketAcl"}, "ListObjects", id="x-id"),
        pytest.param("bucket", "GET", {"id": "1"}, "ListObjects", id="parameter of another row"),
        pytest.param("bucket", "GET", {"list-type": "1"}, "ListObjects", id="list-type 1"),
        pytest.param("object", "PUT", {"x-id": "PutObject"}, "PutObject", id="x-id of a put"),
        pytest.param("object", "GET", {"response-expires": "0"}, "GetObject", id="override"),
        pytest.param("object", "GET", {"prefix": "a"}, "GetObject", id="prefix at a key"),
    ],
)
def test_match_ignores_a_parameter(
    path: str, method: str, query: Mapping[str, str], name: str
) -> None:
    assert name_of(TABLES[path], method, query) == name


@pytest.mark.parametrize("path", TABLES)
@pytest.mark.parametrize("sub_resource", ["", "acl", "uploads", "versioning"])
def test_match_takes_options_for_a_preflight_whatever_it_asks_about(
    path: str, sub_resource: str
) -> None:
    query = {sub_resource: ""}

    assert name_of(TABLES[path], "OPTIONS", query) == "PreflightRequest"


@pytest.mark.parametrize(
    ("method", "query", "name"),
    [
        pytest.param("PUT", {}, "CopyObject", id="key"),
        pytest.param("PUT", {"partNumber": "1", "uploadId": "u"}, "UploadPartCopy", id="part"),
        pytest.param("PUT", {"tagging": ""}, "PutObjectTagging", id="other sub-resource"),
        pytest.param("GET", {}, "GetObject", id="get"),
    ],
)
def test_match_reads_the_copy_source_where_it_means_a_copy(
    method: str, query: Mapping[str, str], name: str
) -> None:
    headers = {"x-amz-copy-source": "photos/dog.jpg"}

    assert name_of(OBJECT, method, query, headers) == name


@pytest.mark.parametrize(
    ("path", "method", "query", "detail", "allow"),
    [
        pytest.param(
            "service", "PUT", [], {"ResourceType": "SERVICE"}, "GET, OPTIONS", id="service"
        ),
        pytest.param("bucket", "POST", ["acl"], {"ResourceType": "ACL"}, "GET, PUT", id="acl"),
        pytest.param(
            "bucket", "HEAD", ["location"], {"ResourceType": "LOCATION"}, "GET", id="head"
        ),
        pytest.param(
            "bucket",
            "GET",
            ["delete"],
            {"ResourceType": "MULTI_OBJECT_DELETE"},
            "POST",
            id="delete",
        ),
        pytest.param(
            "object",
            "POST",
            [],
            {"ResourceType": "OBJECT"},
            "DELETE, GET, HEAD, OPTIONS, PUT",
            id="post to a key",
        ),
        pytest.param(
            "object",
            "PUT",
            ["uploadId"],
            {"ResourceType": "UPLOAD"},
            "DELETE, GET, POST",
            id="part without its number",
        ),
        pytest.param(
            "object",
            "GET",
            ["partNumber", "uploadId"],
            {"ResourceType": "PART"},
            "PUT",
            id="get of an upload's part",
        ),
    ],
)
def test_refusal_is_method_not_allowed_where_another_method_is(
    path: str, method: str, query: list[str], detail: Mapping[str, str], allow: str
) -> None:
    """Answers of S3 in us-east-1 of 2026-09-23, but Allow, which names what this table has."""
    refused = refusal(TABLES[path], method, dict.fromkeys(query, ""))

    assert (refused.code.name, refused.code.status) == ("MethodNotAllowed", 405)
    assert refused.detail == {"Method": method, **detail}
    assert refused.headers == {"Allow": allow}


def test_refusal_names_sub_resources_that_conflict_in_alphabetic_order() -> None:
    """Answer of S3 in us-east-1 of 2026-09-29."""
    refused = refusal(BUCKET, "GET", {"versioning": "", "acl": ""})

    assert refused.code.name == "InvalidArgument"
    assert refused.message == "Conflicting query string parameters: acl, versioning"
    assert refused.detail == {"ArgumentName": "ResourceType", "ArgumentValue": "acl"}


@pytest.mark.parametrize(
    ("path", "method", "query"),
    [
        pytest.param("bucket", "GET", {}, id="listing"),
        pytest.param("bucket", "PUT", {"versioning": ""}, id="configuration"),
        pytest.param("object", "PUT", {}, id="PutObject"),
        pytest.param("object", "PUT", {"partNumber": "1", "uploadId": "u"}, id="UploadPart"),
    ],
)
def test_refusal_of_a_version_id_where_the_operation_takes_none(
    path: str, method: str, query: Mapping[str, str]
) -> None:
    """Answer of S3 in us-east-1 of 2026-09-29."""
    refused = refusal(TABLES[path], method, {**query, "versionId": "3"})

    assert refused.code.name == "InvalidArgument"
    assert refused.message == "This operation does not accept a version-id."
    assert refused.detail == {"ArgumentName": "versionId", "ArgumentValue": "3"}


def test_refusal_of_a_sub_resource_that_keys_do_not_have() -> None:
    """Answer of S3 in us-east-1 of 2026-09-29."""
    refused = refusal(OBJECT, "GET", {"versions": ""})

    assert refused.code.name == "InvalidRequest"
    assert refused.message == "There is no such thing as the ?versions sub-resource for a key"


@pytest.mark.parametrize("path", TABLES)
def test_every_request_without_an_operation_has_a_refusal(path: str) -> None:
    table = TABLES[path]
    requests = [
        (method, dict.fromkeys(names, ""))
        for method in [*METHODS, "TRACE"]
        for count in (1, 2)
        for names in combinations(sorted(SUB_RESOURCES), count)
    ]

    refused = [
        refusal(table, method, query).code.status
        for method, query in requests
        if match(table, method, query, {}) is None
    ]

    assert set(refused) == {400, 405}
