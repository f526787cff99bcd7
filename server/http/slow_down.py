"""SlowDown, answered at the least cost: what a refusal costs, those who were taken on lack."""

from contextlib import suppress
from typing import Final

from server.errors import RETRY_AFTER_SECONDS, ErrorCode
from server.http.reply import HOST_ID, SERVER
from server.http.request import HttpRequest
from xml_responses.error_document import error_document

STATUS: Final = ErrorCode.SlowDown.status
# As long as a request id, and nowhere else in the document.
_ID: Final = b"0" * 16
_DOCUMENT: Final = error_document(
    code=ErrorCode.SlowDown.name,
    message=ErrorCode.SlowDown.message,
    detail={},
    resource=None,
    request_id=_ID.decode(),
    host_id=HOST_ID,
)
_HEAD: Final = (
    f"HTTP/1.1 {STATUS} Service Unavailable\r\n"
    f"x-amz-request-id: {_ID.decode()}\r\n"
    f"x-amz-id-2: {HOST_ID}\r\n"
    f"Server: {SERVER}\r\n"
    f"Retry-After: {RETRY_AFTER_SECONDS}\r\n"
    "Content-Type: application/xml\r\n"
    f"Content-Length: {len(_DOCUMENT)}\r\n"
).encode()


def refuse(http: HttpRequest, request_id: str) -> None:
    """Send the answer; a client that is gone is not an error."""
    # What is left of a body that nobody wants must not be taken for the next request.
    is_whole = http.content.is_eof() and http.content.exception() is None
    http.keep_alive = http.keep_alive and http.is_http_11 and is_whole
    answer = as_bytes(request_id, close=not http.keep_alive, head=http.method == "HEAD")
    with suppress(ConnectionError):
        http.write(answer)
        if not http.is_drained:  # one that asks and takes no answers
            http.keep_alive = False


def as_bytes(request_id: str, *, close: bool, head: bool = False) -> bytes:
    """Return the answer as it is sent. head: to a HEAD, which gets no document."""
    end = b"Connection: close\r\n\r\n" if close else b"\r\n"
    answer = _HEAD + end + (b"" if head else _DOCUMENT)
    return answer.replace(_ID, request_id.encode())
