"""How large a body, a part and an object may be."""

from server.errors import ErrorCode, S3Error
from server.rules.limits import MAX_OBJECT, MAX_SINGLE_PUT


def check_put_size(size: int) -> None:
    """Raise S3Error EntityTooLarge (400) for a body that is too large for one PUT or part."""
    _check(size, MAX_SINGLE_PUT)


def check_object_size(size: int) -> None:
    """Raise S3Error EntityTooLarge (400) for parts that add up to too large an object."""
    _check(size, MAX_OBJECT)


def check_copy_size(size: int) -> None:
    """Raise S3Error InvalidRequest (400) for a source that is too large for one copy request."""
    if size > MAX_SINGLE_PUT:
        raise S3Error(
            ErrorCode.InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy"
            f" source: {MAX_SINGLE_PUT}",
        )


def _check(size: int, maximum: int) -> None:
    if size > maximum:
        raise S3Error(ErrorCode.EntityTooLarge, ProposedSize=str(size), MaxSizeAllowed=str(maximum))
