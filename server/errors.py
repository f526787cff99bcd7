"""The errors of S3: every code this server answers, and the exception that carries one."""

from collections.abc import Mapping
from enum import Enum, unique

RETRY_AFTER_SECONDS = 1


@unique
class ErrorCode(Enum):
    """S3 error codes. The member name is the <Code>; the value is (HTTP status, <Message>).

    Source: S3 API reference, "Error responses", and the answers S3 gives today.
    """

    AccessDenied = 403, "Access Denied"
    AuthorizationHeaderMalformed = 400, "The authorization header that you provided is not valid."
    AuthorizationQueryParametersError = (
        400,
        "The query parameters of the presigned URL are not valid.",
    )
    BadDigest = 400, "The Content-MD5 or checksum you specified did not match what we received."
    BadRequest = 400, "The request could not be understood."
    BucketAlreadyExists = (
        409,
        "The requested bucket name is not available. The bucket namespace is shared by all users of"
        " the system. Please select a different name and try again.",
    )
    BucketAlreadyOwnedByYou = (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    )
    BucketNotEmpty = 409, "The bucket you tried to delete is not empty."
    ConditionalRequestConflict = (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this"
        " resource.",
    )
    EntityTooLarge = 400, "Your proposed upload exceeds the maximum allowed size."
    EntityTooSmall = 400, "Your proposed upload is smaller than the minimum allowed size."
    IllegalLocationConstraintException = (
        400,
        "The specified location constraint is not valid for the region of this endpoint.",
    )
    IncompleteBody = (
        400,
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )
    InternalError = 500, "We encountered an internal error. Please try again."
    InvalidAccessKeyId = (
        403,
        "The AWS Access Key Id you provided does not exist in our records.",
    )
    InvalidArgument = 400, "Invalid Argument"
    InvalidBucketName = 400, "The specified bucket is not valid."
    InvalidBucketOwnerAWSAccountID = (
        400,
        "The value of the expected bucket owner parameter must be an AWS Account ID...",
    )
    InvalidChunkSizeError = (
        403,
        "Only the last chunk is allowed to have a size less than 8192 bytes",
    )
    InvalidDigest = 400, "The Content-MD5 or checksum value that you specified is not valid."
    InvalidLocationConstraint = 400, "The specified location-constraint is not valid."
    InvalidPart = (
        400,
        "One or more of the specified parts could not be found. The part may not have been"
        " uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    InvalidPartNumber = 416, "The requested partnumber is not satisfiable"
    InvalidPartOrder = (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    )
    InvalidRange = 416, "The requested range is not satisfiable"
    InvalidRedirectLocation = (
        400,
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    )
    InvalidRequest = 400, "Invalid Request"
    InvalidStorageClass = 400, "The storage class you specified is not valid"
    InvalidTag = 400, "The tag you have provided is not valid."
    InvalidToken = 400, "The provided token is malformed or otherwise invalid."
    InvalidURI = 400, "Couldn't parse the specified URI."
    KeyTooLongError = 400, "Your key is too long"
    MalformedTrailerError = 400, "The request contained trailing data that was not well-formed."
    MalformedXML = (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
    MaxMessageLengthExceeded = 400, "Your request was too big."
    MetadataTooLarge = 400, "Your metadata headers exceed the maximum allowed metadata size"
    MethodNotAllowed = 405, "The specified method is not allowed against this resource."
    MissingContentLength = 411, "You must provide the Content-Length HTTP header."
    MissingSecurityHeader = 400, "Your request was missing a required header"
    NoSuchBucket = 404, "The specified bucket does not exist"
    NoSuchKey = 404, "The specified key does not exist."
    NoSuchUpload = (
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have"
        " been aborted or completed.",
    )
    NoSuchVersion = 404, "The specified version does not exist."
    NotImplemented = 501, "A header you provided implies functionality that is not implemented"
    NotModified = 304, "Not Modified"
    OperationAborted = (
        409,
        "A conflicting conditional operation is currently in progress against this resource."
        " Please try again.",
    )
    PreconditionFailed = 412, "At least one of the pre-conditions you specified did not hold"
    RequestHeaderSectionTooLarge = (
        400,
        "Your request header section exceeds the maximum allowed size.",
    )
    RequestTimeTooSkewed = (
        403,
        "The difference between the request time and the current time is too large.",
    )
    RequestTimeout = (
        400,
        "Your socket connection to the server was not read from or written to within the timeout"
        " period.",
    )
    ServiceUnavailable = 503, "Service is unable to handle request."
    SignatureDoesNotMatch = (
        403,
        "The request signature we calculated does not match the signature you provided. Check your"
        " key and signing method.",
    )
    SlowDown = 503, "Please reduce your request rate."
    TooManyBuckets = 400, "You have attempted to create more buckets than allowed"
    XAmzContentChecksumMismatch = (
        400,
        "The provided 'x-amz-checksum' header does not match what was computed.",
    )
    XAmzContentSHA256Mismatch = (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )

    @property
    def status(self) -> int:
        """Return the HTTP status of the answer."""
        return self.value[0]

    @property
    def message(self) -> str:
        """Return the default text of <Message>."""
        return self.value[1]


class S3Error(Exception):
    """Ends the operation; the client receives an <Error> document and nothing else.

    code:    decides the status and the <Code>.
    message: replaces the code's own <Message> where S3 has a more exact one.
    headers: extra headers of the answer, e.g. {"ETag": ...} of a 304.
    detail:  extra elements of the document, in order, e.g. Key="a/b".
             Never put a secret, a path on disk or SQL text here.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **detail: str,
    ) -> None:
        super().__init__(code.name, message or code.message)
        self.code = code
        self.message = message or code.message
        self.headers: Mapping[str, str] = headers or {}
        self.detail = detail
