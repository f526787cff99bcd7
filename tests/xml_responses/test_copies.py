from datetime import UTC, datetime

from server.model.checksum import Checksum, ChecksumAlgorithm, ChecksumType
from xml_responses.copies import copy_object_result, copy_part_result

MODIFIED = datetime(2009, 10, 28, 22, 32, tzinfo=UTC)
ETAG = "9b2cf535f27731c974343645a3985328"


def test_copy_object_result() -> None:
    checksum = Checksum(ChecksumAlgorithm.SHA256, ChecksumType.COMPOSITE, "q1w2e3==-3")

    document = copy_object_result(last_modified=MODIFIED, etag=ETAG, checksum=checksum)

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<LastModified>2009-10-28T22:32:00.000Z</LastModified>"
        b'<ETag>"9b2cf535f27731c974343645a3985328"</ETag>'
        b"<ChecksumSHA256>q1w2e3==-3</ChecksumSHA256>"
        b"<ChecksumType>COMPOSITE</ChecksumType>"
        b"</CopyObjectResult>"
    )


def test_copy_object_result_without_a_checksum() -> None:
    document = copy_object_result(last_modified=MODIFIED, etag=ETAG, checksum=None)

    assert document.endswith(b'<ETag>"9b2cf535f27731c974343645a3985328"</ETag></CopyObjectResult>')


def test_copy_part_result_has_a_checksum_without_a_type() -> None:
    document = copy_part_result(
        last_modified=MODIFIED,
        etag=ETAG,
        checksum_algorithm=ChecksumAlgorithm.CRC32C,
        checksum="AAAAAA==",
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<CopyPartResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<LastModified>2009-10-28T22:32:00.000Z</LastModified>"
        b'<ETag>"9b2cf535f27731c974343645a3985328"</ETag>'
        b"<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>"
        b"</CopyPartResult>"
    )
