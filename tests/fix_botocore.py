"""botocore's S3 model, the oracle of the conformance tests, and what botocore would send."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

DOMAIN = "s3.test"


@dataclass(frozen=True)
class SentRequest:
    """A request as a server would see it, its host and path as they are on the wire."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def s3_service_model() -> ServiceModel:
    """Return botocore's model of S3, e.g. to parametrize a test by its operations."""
    return botocore.session.get_session().get_service_model("s3")


@pytest.fixture(scope="session")
def s3_model() -> ServiceModel:
    return s3_service_model()


@pytest.fixture(scope="session")
def sent_by_botocore(s3_model: ServiceModel) -> Callable[..., SentRequest]:
    """A function: operation name and style ("path", "virtual") → the request botocore makes.

    Parameters are the required members alone, with more of them as keyword arguments. Nothing goes
    over a network.
    """
    clients = {style: _client(style) for style in ("path", "virtual")}

    def sent(name: str, style: str = "path", **members: object) -> SentRequest:
        operation = s3_model.operation_model(name)
        return _send(clients[style], operation, {**required_members(operation), **members})

    return sent


def required_members(operation: OperationModel) -> dict[str, Any]:
    """Return the least input that botocore accepts for the operation."""
    shape = operation.input_shape
    return {} if shape is None else _structure(shape)


def _structure(shape: StructureShape) -> dict[str, Any]:
    # A union has no required member, and wants exactly one.
    names = shape.required_members or (list(shape.members)[:1] if shape.is_tagged_union else [])
    return {name: required_value(shape.members[name], name) for name in names}


def required_value(shape: Shape, name: str = "") -> Any:
    """Return the least value that botocore accepts for the shape; name: of the member it is for."""
    named = {"Bucket": "photos", "Key": "2026/cat.jpg", "CopySource": "photos/dog.jpg"}
    match shape:
        case StructureShape():
            return _structure(shape)
        case ListShape():
            return [required_value(shape.member, name)]
        case MapShape():
            return {}
    match shape.type_name:
        case "integer" | "long":
            return 1
        case "boolean":
            return True
        case "timestamp":
            return "2026-11-22T00:00:00Z"
        case "blob":
            return b"body"
    text: str = shape.metadata.get("enum", [named.get(name, "text")])[0]
    return text.ljust(shape.metadata.get("min", 0), "x")


def _client(style: str) -> BaseClient:
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    config = Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1})
    return session.create_client(
        "s3", region_name="us-east-1", endpoint_url=f"http://{DOMAIN}", config=config
    )


class _NotSentError(Exception):
    pass


def _send(client: BaseClient, operation: OperationModel, members: dict[str, Any]) -> SentRequest:
    seen: list[Any] = []

    def intercept(request: Any, **_: object) -> AWSResponse:
        seen.append(request)
        raise _NotSentError

    client.meta.events.register_first("before-send.s3", intercept)
    try:
        client._make_api_call(operation.name, members)
    except _NotSentError:
        pass
    finally:
        client.meta.events.unregister("before-send.s3", intercept)
    return _as_seen(seen[0])


def _as_seen(request: AWSRequest) -> SentRequest:
    url = urlsplit(request.url)
    body = request.body or b""
    return SentRequest(
        method=request.method,
        host=url.netloc,
        path=url.path,
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        body=body if isinstance(body, bytes) else body.read(),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
