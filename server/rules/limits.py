"""The limits of S3: how large, how many.

Source: S3 User Guide, "Amazon S3 multipart upload limits", "Creating object key names", "Working
with object metadata", "Categorizing your objects using tags"; S3 API reference, DeleteObjects.
"""

from typing import Final

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30
_TIB: Final = 1 << 40

MAX_KEY_BYTES: Final = 1024
MAX_USER_METADATA_BYTES: Final = 2 * _KIB

MAX_OBJECT_TAGS: Final = 10
# In UTF-16, as S3 counts them.
MAX_TAG_KEY: Final = 128
MAX_TAG_VALUE: Final = 256

# One PUT, one part, or the source of one CopyObject.
MAX_SINGLE_PUT: Final = 5 * _GIB
# AWS has raised its own maximum to 50 TB since; clients choose part sizes for this one.
MAX_OBJECT: Final = 5 * _TIB
MIN_PART: Final = 5 * _MIB
MAX_PART: Final = 5 * _GIB
MAX_PARTS: Final = 10_000

# Entries of one page of any listing but ListBuckets.
MAX_PAGE: Final = 1000
MAX_BUCKETS_PAGE: Final = 10_000
MAX_DELETES: Final = 1000

# The largest number S3 reads from a query or a header that is not a size.
MAX_INT32: Final = 2**31 - 1

# Bodies that are XML documents. 1,000 keys of 1,024 control characters, each escaped, need 6.4 MB;
# 10,000 parts with an ETag and a checksum need 4 MB.
MAX_DELETE_BODY: Final = 8 * _MIB
MAX_COMPLETE_BODY: Final = 8 * _MIB
MAX_CONFIGURATION_BODY: Final = 64 * _KIB
