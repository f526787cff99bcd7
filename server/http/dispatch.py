"""One request, top to bottom. The order of the checks is S3's behaviour and stands in one place:

    address → operation → sender → bucket → may it → body → handler → reply

and so does what turns an error into its document.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from server import routes
from server.access.authenticate import Sender, all_headers, authenticate
from server.access.authorize import authorize
from server.access.grant import Grant
from server.blobs.errors import DiskFull, NodeReadOnly, StorageError
from server.config import Settings
from server.errors import ErrorCode, S3Error
from server.http.addressing import Address, hosted_bucket, parse_address
from server.http.admission import Admission
from server.http.body import HttpBody
from server.http.document_memory import DocumentMemory
from server.http.headers import joined_headers
from server.http.pace import LeastPace
from server.http.reply import error_reply, send
from server.http.request import HttpRequest, new_request_id
from server.http.slow_down import STATUS, refuse
from server.logs import RequestLog
from server.metadata.errors import MetadataError, MetadataOverloaded, MetadataUnavailable
from server.model.bucket import Bucket
from server.model.value import value
from server.operation import (
    BucketOperation,
    BucketRequest,
    NewBucketOperation,
    NewBucketRequest,
    ObjectOperation,
    ObjectRequest,
    Operation,
    S3Reply,
    S3Request,
    ServiceOperation,
    Stores,
)
from server.rules.names import check_bucket_name, parse_key
from server.rules.routing import AnyOperation, Table, match, refusal
from sigv4.request import SignedRequest

_READS: Final = frozenset({"GET", "HEAD"})
_LIVE: Final = "/-/live"
_READY: Final = "/-/ready"
# What the log says of a client that did not stay for its answer.
_CLIENT_GONE: Final = "ClientGone"
_EXPECTED_OWNER: Final = "x-amz-expected-bucket-owner"


@dataclass(slots=True)
class Exchange:
    """What is known of a request so far; in the end, what its log line says."""

    id: str
    began: float
    operation: str = ""
    account: str = ""
    bucket: str = ""
    key: str = ""
    body: HttpBody | None = None


@value()
class Decision:
    """Who may do what, and the settings revision that says so."""

    sender: Sender
    bucket: Bucket | None  # None: of an operation that needs none
    revision: int


class Dispatcher:
    """Answers requests with the operations of the routes, over these stores."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._cache = stores.metadata.settings
        self._log = RequestLog(asyncio.get_running_loop().call_soon)
        self._admission = Admission(settings.max_inflight_requests)
        self._documents = DocumentMemory(settings.document_memory_bytes)
        self._pace = LeastPace(
            settings.body_idle_timeout_seconds, settings.min_body_bytes_per_second
        )

    async def answer(self, http: HttpRequest) -> None:
        """Answer one request; whatever goes wrong is answered, too."""
        exchange = Exchange(new_request_id(), time.perf_counter())
        if not (self._admission.enter_at_once() or await self._admission.enter()):
            if self._is_liveness_probe(http):  # busy is not dead
                await self._send(http, exchange, S3Reply(), "")
                return
            refuse(http, exchange.id)
            self._log_answer(http, exchange, STATUS, ErrorCode.SlowDown.name, sent=0)
            return
        try:
            reply, error_code = await self._reply(http, exchange)
            await self._send(http, exchange, reply, error_code)
        finally:
            self._admission.leave()
            if exchange.body is not None:
                exchange.body.close()

    async def _reply(self, http: HttpRequest, exchange: Exchange) -> tuple[S3Reply, str]:
        """Return what is to be sent, and the error code that the log shows, if any."""
        try:
            return await self._operate(http, exchange), ""
        except Exception as error:  # noqa: BLE001 - the one place that turns errors into documents
            return self._refused(error, http, exchange)

    def _refused(
        self, error: Exception, http: HttpRequest, exchange: Exchange
    ) -> tuple[S3Reply, str]:
        # Not in the frame that the traceback holds: an error that its own frame names would live,
        # with all that the client sent, until garbage is collected.
        s3_error = self._understand(error, exchange)
        resource = http.raw_path.partition("?")[0]
        has_body = http.method != "HEAD"
        reply = error_reply(s3_error, resource=resource, request_id=exchange.id, has_body=has_body)
        return reply, s3_error.code.name

    def _understand(self, error: Exception, exchange: Exchange) -> S3Error:
        """Return what tells the client what went wrong; log what the operator must know."""
        match error:
            case S3Error():
                return error
            case MetadataOverloaded():
                return S3Error(ErrorCode.SlowDown)
            case MetadataUnavailable():
                self._log.outage("metadata unavailable", exchange.id, error)
                return S3Error(ErrorCode.ServiceUnavailable)
            case DiskFull() | NodeReadOnly():
                self._log.outage("no blobs can be written", exchange.id, error)
                return S3Error(ErrorCode.ServiceUnavailable)
            case StorageError():
                self._log.trouble("blob storage failed", exchange.id, error)
                return S3Error(ErrorCode.InternalError)
            case _:
                self._log.defect("request failed", exchange.id, error)
                return S3Error(ErrorCode.InternalError)

    async def _send(
        self, http: HttpRequest, exchange: Exchange, reply: S3Reply, error_code: str
    ) -> None:
        sent = 0
        try:
            is_known = bool(exchange.account)
            sent = await send(http, reply, exchange.id, pace=self._pace, is_known=is_known)
        except (ConnectionError, TimeoutError):
            error_code = error_code or _CLIENT_GONE
        except (StorageError, MetadataError) as error:
            # The client sees a body that breaks off; who runs the server must see more than that.
            error_code = ErrorCode.InternalError.name
            self._log.trouble("body broke off", exchange.id, error)
        finally:
            self._log_answer(http, exchange, reply.status, error_code, sent=sent)

    def _log_answer(
        self, http: HttpRequest, exchange: Exchange, status: int, error_code: str, *, sent: int
    ) -> None:
        self._log.request(
            request_id=exchange.id,
            account=exchange.account,
            operation=exchange.operation,
            bucket=exchange.bucket,
            key=exchange.key,
            status=status,
            error_code=error_code,
            bytes_in=http.content.total_bytes,
            bytes_out=sent,
            milliseconds=(time.perf_counter() - exchange.began) * 1000,
        )

    async def _operate(self, http: HttpRequest, exchange: Exchange) -> S3Reply:
        headers = joined_headers(http.headers)
        address = parse_address(http.raw_path, headers.get("host", ""), self._settings.all_domains)
        if not address.is_virtual_hosted and address.raw_path.startswith("/-/"):
            return await self._health(address.raw_path)
        exchange.bucket, exchange.key = address.bucket or "", address.key
        operation = _operation(address, http.method, all_headers(address.raw_query, headers))
        exchange.operation = operation.name
        signed = SignedRequest(
            http.method,
            address.raw_path,
            address.raw_query,
            headers,
            address.bucket if address.is_virtual_hosted else None,
        )
        decision = await self._decide(operation, signed, address)
        exchange.account = decision.sender.key.account.name
        if http.method not in _READS:
            # D6 is of the node: what would be written to rows alone is refused, too.
            self._stores.blobs.refuse_when_read_only()
        fields = partial(self._fields, http, exchange, headers, address, decision)
        match operation:
            case ServiceOperation(handler=handler) if handler is not None:
                return await handler(S3Request(**await fields()), self._stores)
            case NewBucketOperation(handler=handler) if handler is not None:
                name = check_bucket_name(address.bucket or "")
                known = await fields(reads_body=operation.reads_body)
                return await handler(NewBucketRequest(bucket_name=name, **known), self._stores)
            case BucketOperation(handler=handler) if handler is not None:
                known = await fields(reads_body=operation.reads_body)
                return await handler(BucketRequest(**known), self._stores)
            case ObjectOperation(handler=handler) if handler is not None:
                key = parse_key(address.key)
                known = await fields(
                    reads_body=operation.reads_body,
                    may_stream=operation.streams_body,
                    has_checksum=not operation.states_object_checksum,
                )
                return await handler(ObjectRequest(key=key, **known), self._stores)
            case _:
                raise S3Error(
                    ErrorCode.NotImplemented,
                    f"This server does not implement {operation.name}.",
                    Operation=operation.name,
                )

    async def _fields(
        self,
        http: HttpRequest,
        exchange: Exchange,
        headers: Mapping[str, str],
        address: Address,
        decision: Decision,
        *,
        reads_body: bool = False,
        may_stream: bool = False,
        has_checksum: bool = True,
    ) -> dict[str, Any]:
        """Return what the requests of all operations have in common."""
        sender = decision.sender
        if sender.hoisted:
            headers = {**sender.hoisted, **headers}
        exchange.body = HttpBody(
            http,
            headers,
            sender.payload,
            may_stream=may_stream,
            has_checksum=has_checksum,
            pace=self._pace,
            memory=self._documents,
        )
        if http.has_body and not reads_body:
            await exchange.body.verify_unwanted()
        return {
            "id": exchange.id,
            "method": http.method,
            "headers": headers,
            "query": address.query,
            "address_url": _url(http.scheme, headers.get("host", ""), address),
            "account": sender.key.account,
            "grant": Grant(
                decision.revision, decision.bucket, lambda: self._decide_again(decision)
            ),
            "body": exchange.body,
        }

    async def _decide(
        self, operation: Operation, signed: SignedRequest, address: Address
    ) -> Decision:
        """Return who sends the request and that it is allowed.

        The cache may be behind. An operation whose store calls check the revision notices that
        itself; before any other, and before a request is refused, the cache is brought up to date.
        """
        checks_itself = isinstance(operation, ObjectOperation) and operation.checks_revision
        if not checks_itself:
            await self._cache.refresh()
            return await self._decide_from_cache(operation, signed, address)
        before = self._cache.revision
        try:
            return await self._decide_from_cache(operation, signed, address)
        except S3Error:
            await self._cache.refresh()
            if self._cache.revision == before:
                raise
            return await self._decide_from_cache(operation, signed, address)

    async def _decide_from_cache(
        self, operation: Operation, signed: SignedRequest, address: Address
    ) -> Decision:
        while True:
            revision = self._cache.revision
            sender = await authenticate(
                signed,
                self._cache,
                region=self._settings.region,
                now=datetime.now(UTC),
                allow_v2=self._settings.sigv2,
            )
            bucket = None
            if isinstance(operation, BucketOperation | ObjectOperation):
                bucket = await self._bucket(address.bucket or "")
                owner = signed.headers.get(_EXPECTED_OWNER, sender.hoisted.get(_EXPECTED_OWNER))
                authorize(sender.key.account, bucket, expected_owner=owner)
            if revision == self._cache.revision:
                return Decision(sender, bucket, revision)

    async def _decide_again(self, decision: Decision) -> tuple[int, Bucket | None]:
        """Return the revision under which a decision still stands, and its bucket as it is now.

        Raises S3Error where it does not stand.
        """
        bucket = None
        while True:
            revision = self._cache.revision
            key = await self._cache.access_key(decision.sender.key.access_key_id)
            if key is None or not key.active:
                raise S3Error(ErrorCode.InvalidAccessKeyId)
            if key != decision.sender.key:  # removed, and made again with another secret
                raise S3Error(ErrorCode.SignatureDoesNotMatch)
            if decision.bucket is not None:
                bucket = await self._bucket(decision.bucket.name)
                # Whom the request expects to own it was asked before, and is the account itself.
                authorize(decision.sender.key.account, bucket, expected_owner=None)
            if revision == self._cache.revision:
                return revision, bucket

    async def _bucket(self, name: str) -> Bucket:
        bucket = await self._cache.bucket(check_bucket_name(name))
        if bucket is None:
            raise S3Error(ErrorCode.NoSuchBucket, BucketName=name)
        return bucket

    def _is_liveness_probe(self, http: HttpRequest) -> bool:
        host = http.headers.get("Host", "")
        return http.raw_path == _LIVE and hosted_bucket(host, self._settings.all_domains) is None

    async def _health(self, raw_path: str) -> S3Reply:
        """Answer /-/live and /-/ready: whether the worker runs, and whether it can serve."""
        if raw_path == _READY:
            await self._cache.refresh()
        elif raw_path != _LIVE:
            raise S3Error(ErrorCode.AccessDenied)
        return S3Reply()


def _url(scheme: str, host: str, address: Address) -> str:
    in_path = "" if address.is_virtual_hosted or not address.bucket else f"/{address.bucket}"
    return f"{scheme}://{host}{in_path}"


def _operation(address: Address, method: str, headers: Mapping[str, str]) -> Operation:
    """Return the operation that the request means, with a handler or without."""
    if address.bucket is None:
        return _match(routes.SERVICE, address, method, headers)
    if address.key:
        return _match(routes.OBJECT, address, method, headers)
    return _match(routes.BUCKET, address, method, headers)


def _match(
    table: Table[AnyOperation], address: Address, method: str, headers: Mapping[str, str]
) -> AnyOperation:
    operation = match(table, method, address.query, headers)
    if operation is None:
        raise refusal(table, method, address.query)
    return operation
