"""What can go wrong between the server and its metadata. None of these is an S3 error."""


class MetadataError(Exception):
    """The metadata database did not do what it was asked."""


class MetadataUnavailable(MetadataError):
    """PostgreSQL is away, or did not answer in time. Of a write, the outcome is unknown (D2)."""


class MetadataOverloaded(MetadataError):
    """More is waiting than this worker lets wait."""


class RowsUnreadable(MetadataError):
    """PostgreSQL found its own files damaged: a page that it wrote is not what it reads."""


class SchemaMismatch(MetadataError):
    """The database holds another layout than this server's, or unsafe settings."""


class JobBusy(MetadataError):
    """Another process does the job, or one that excludes it, and did not end in time."""
