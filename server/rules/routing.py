"""Which operation a request means: a pure function of method, query, headers and a table of routes.

A row reads (method, query, headers, operation). Query and headers are names joined by "&", and the
request must have them all; "name=value" wants that value too, "name~text" a header that has this
text in it, "[name]" may be there or not. Of the rows that fit, the one that asks for most wins.

The world is closed: a query name that some row mentions is a sub-resource, and a request that has
one matches only a row that mentions it too, so DELETE /b?replication is never DeleteBucket. Any
other query name is a parameter, which never decides what a request means.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from server.errors import ErrorCode, S3Error

AnyOperation = TypeVar("AnyOperation")
Route = tuple[str, str, str, AnyOperation]

# These tell rows apart, but are no sub-resources: a row that does not mention them ignores them.
_PARAMETERS: Final = frozenset({"id", "list-type", "max-directory-buckets"})
_NO_NAMES: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Row(Generic[AnyOperation]):
    """A route, read."""

    method: str
    required: Mapping[str, str | None]  # query name → the value it must have, None for any
    taken: frozenset[str]  # every query name of the row
    headers: Mapping[str, str]  # header name → a text that it must have in it, "" for any
    operation: AnyOperation

    @property
    def sub_resources(self) -> frozenset[str]:
        """Return the sub-resources without which the row does not fit."""
        return frozenset(self.required) - _PARAMETERS

    def fits(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Return whether the request has all that the row asks for."""
        for name, value in self.required.items():
            if name not in query or (value is not None and query[name] != value):
                return False
        for name, text in self.headers.items():
            if name not in headers or text not in headers[name]:
                return False
        return True


class Table(Generic[AnyOperation]):
    """The routes of one kind of path, those that ask for most first.

    resource_type: S3's word for the path: SERVICE, BUCKET or OBJECT.
    sub_resources: every name that the table must not ignore, those of other tables too.
    """

    def __init__(
        self,
        resource_type: str,
        routes: Iterable[Route[AnyOperation]],
        sub_resources: frozenset[str],
    ) -> None:
        self.resource_type = resource_type
        self.sub_resources = sub_resources
        self.rows = tuple(
            sorted(map(_parse, routes), key=lambda row: -len(row.required) - len(row.headers))
        )
        # Found by method and one sub-resource, so that a match looks at a handful of rows.
        self.index: dict[tuple[str, str], tuple[Row[AnyOperation], ...]] = {}
        for row in self.rows:
            found_by = (row.method, min(row.sub_resources, default=""))
            self.index[found_by] = (*self.index.get(found_by, ()), row)


def _parse(route: Route[AnyOperation]) -> Row[AnyOperation]:
    method, query, headers, operation = route
    required: dict[str, str | None] = {}
    taken = set()
    for condition in filter(None, query.split("&")):
        name, has_value, value = condition.strip("[]").partition("=")
        taken.add(name)
        if not condition.startswith("["):
            required[name] = value if has_value else None
    header_texts: dict[str, str] = {}
    for condition in filter(None, headers.split("&")):
        name, _, text = condition.partition("~")
        header_texts[name] = text
    return Row(method, required, frozenset(taken), header_texts, operation)


def sub_resources(*tables: Sequence[Route[Any]]) -> frozenset[str]:
    """Return every query name of the routes that is more than a parameter."""
    taken = (_parse(route).taken for routes in tables for route in routes)
    return _NO_NAMES.union(*taken) - _PARAMETERS


def match(
    table: Table[AnyOperation], method: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> AnyOperation | None:
    """Return the operation that the request means, or None: refusal() then says why.

    headers: names in lower case.
    """
    # A preflight repeats the query of the request that it asks about.
    decides = query and method != "OPTIONS"
    named = table.sub_resources.intersection(query) if decides else _NO_NAMES
    for found_by in (*named, ""):
        for row in table.index.get((method, found_by), ()):
            if named <= row.taken and row.fits(query, headers):
                return row.operation
    return None


def refusal(table: Table[AnyOperation], method: str, query: Mapping[str, str]) -> S3Error:
    """Return the answer to a request that match() found no operation for.

    InvalidRequest (400): such a path has no such sub-resource.
    InvalidArgument (400): the sub-resources do not go together, or the operation has no versionId.
    MethodNotAllowed (405), with Allow: all else.

    Source: answers of S3 in us-east-1, measured by others in September 2026.
    """
    named = table.sub_resources.intersection(query) - {"versionId"}
    for name in sorted(named):
        if not any(name in row.taken for row in table.rows):
            message = f"There is no such thing as the ?{name} sub-resource for a "
            return S3Error(ErrorCode.InvalidRequest, message + _NOUNS[table.resource_type])
    allowed = {
        row.method
        for row in table.rows
        if row.sub_resources <= named <= row.taken and not row.headers
    }
    if not allowed:
        return S3Error(
            ErrorCode.InvalidArgument,
            f"Conflicting query string parameters: {', '.join(sorted(named))}",
            ArgumentName="ResourceType",
            ArgumentValue=min(named),
        )
    if method in allowed and "versionId" in query:
        return S3Error(
            ErrorCode.InvalidArgument,
            "This operation does not accept a version-id.",
            ArgumentName="versionId",
            ArgumentValue=query["versionId"],
        )
    return S3Error(
        ErrorCode.MethodNotAllowed,
        headers={"Allow": ", ".join(sorted(allowed))},
        Method=method,
        ResourceType=_resource_type(table.resource_type, min(named, default="")),
    )


_NOUNS: Final = {"SERVICE": "service", "BUCKET": "bucket", "OBJECT": "key"}

# What S3 calls the sub-resources whose type is not just their name in capitals.
_RESOURCE_TYPES: Final = {
    ("BUCKET", "abac"): "BUCKET_ABAC",
    ("BUCKET", "delete"): "MULTI_OBJECT_DELETE",
    ("BUCKET", "logging"): "LOGGING_STATUS",
    ("BUCKET", "metadataConfiguration"): "BUCKET_METADATA_CONFIGURATION",
    ("BUCKET", "metadataTable"): "BUCKET_METADATA_TABLE_CONFIGURATION",
    ("BUCKET", "object-lock"): "OBJECT_LOCK_CONFIGURATION",
    ("BUCKET", "ownershipControls"): "OWNERSHIP_CONTROLS",
    ("BUCKET", "policy"): "BUCKETPOLICY",
    ("BUCKET", "policyStatus"): "POLICY_STATUS",
    ("BUCKET", "publicAccessBlock"): "PUBLIC_ACCESS_BLOCK",
    ("BUCKET", "requestPayment"): "REQUEST_PAYMENT",
    ("BUCKET", "versions"): "BUCKETVERSIONS",
    ("OBJECT", "annotation"): "OBJECT_ANNOTATIONS",
    ("OBJECT", "attributes"): "OBJECT_ATTRIBUTES",
    ("OBJECT", "legal-hold"): "OBJECT_LOCK_LEGALHOLD",
    ("OBJECT", "partNumber"): "PART",
    ("OBJECT", "retention"): "OBJECT_LOCK_RETENTION",
    ("OBJECT", "tagging"): "OBJECT_TAGGING",
    ("OBJECT", "uploadId"): "UPLOAD",
}


def _resource_type(path: str, sub_resource: str) -> str:
    if not sub_resource:
        return path
    return _RESOURCE_TYPES.get((path, sub_resource), sub_resource.upper().replace("-", "_"))
