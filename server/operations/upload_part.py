"""UploadPart: PUT /{Bucket}/{Key}?partNumber={PartNumber}&uploadId={UploadId}

https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
"""

from datetime import UTC, datetime

from server.model.blob import Slice
from server.model.checksum import ChecksumAlgorithm
from server.model.multipart_upload import Part
from server.model.names import ETag
from server.operation import ObjectRequest, S3Reply, Stores
from server.parts import find_upload, store_part
from server.rules.entity_sizes import check_put_size
from server.rules.etags import quote_etag
from server.rules.multipart import check_part_algorithm, parse_part_number
from server.rules.unsupported_headers import refuse_unsupported_headers
from server.writing import publishing


async def upload_part(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Store the body as the part of that number; a part is always a blob, however small."""
    refuse_unsupported_headers(request.headers)
    number = parse_part_number(request.query["partNumber"])
    check_put_size(request.body.length or 0)
    upload = await find_upload(request, stores)
    check_part_algorithm(upload, request.body.checksum_algorithm)
    if upload.checksum_algorithm is not None:
        request.body.checksum_algorithm = upload.checksum_algorithm

    async with stores.blobs.receive_blob(request.body) as received:
        digests, blob = received.digests, received.blob
        # The object's checksum is made of those of its parts; S3 has a CRC64NVME of every object.
        algorithm = upload.checksum_algorithm or ChecksumAlgorithm.CRC64NVME
        part = Part(
            number,
            blob.size,
            ETag(digests.md5_hex),
            datetime.now(UTC),
            algorithm,
            digests.checksum(algorithm),
        )
        slices = [Slice(blob, 0, blob.size)] if blob.size else []
        prepare = publishing(stores, received)
        await store_part(request, stores, upload, part, slices, prepare)

    told = request.body.checksum_algorithm or algorithm
    return S3Reply(headers={"ETag": quote_etag(part.etag), told.header: digests.checksum(told)})
