"""What a refused signature is told: the codes of S3 this package raises, and their exception."""

import re
from enum import StrEnum, unique

# All that XML 1.0 cannot hold. Details repeat what the client sent, so they may contain any of it.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@unique
class SignatureErrorCode(StrEnum):
    """The S3 error codes that an unacceptable signature or chunked body can earn."""

    AccessDenied = "AccessDenied"
    AuthorizationHeaderMalformed = "AuthorizationHeaderMalformed"
    AuthorizationQueryParametersError = "AuthorizationQueryParametersError"
    IncompleteBody = "IncompleteBody"
    InvalidAccessKeyId = "InvalidAccessKeyId"
    InvalidArgument = "InvalidArgument"
    InvalidChunkSizeError = "InvalidChunkSizeError"
    InvalidRequest = "InvalidRequest"
    InvalidToken = "InvalidToken"
    MalformedTrailerError = "MalformedTrailerError"
    NotImplemented = "NotImplemented"
    RequestTimeTooSkewed = "RequestTimeTooSkewed"
    SignatureDoesNotMatch = "SignatureDoesNotMatch"


class SignatureError(Exception):
    """Ends the request: it is not what the holder of a secret key signed.

    message: text of <Message>; None where the code's own text says it all.
    detail:  extra elements of the document, in order, as S3 gives them. Names are XML names,
             values hold XML characters only. Not for logs: they repeat headers of the request.
    """

    def __init__(self, code: SignatureErrorCode, message: str | None = None, **detail: str) -> None:
        super().__init__(code.value, message)
        self.code = code
        self.message = None if message is None else xml_text(message)
        self.detail = {name: xml_text(value) for name, value in detail.items()}


def xml_text(text: str) -> str:
    """Return the text with U+FFFD for each character that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
