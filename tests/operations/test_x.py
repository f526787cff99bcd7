import time, psycopg
from tests.operations.uploads import *
from tests.operations.test_complete_multipart_upload import *


async def test_x(s3, bucket, server):
    said = {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"}
    upload = await begin(s3, bucket, headers=said)
    parts = await upload.sent(FIRST, SECOND, LAST)
    r = await upload.complete(
        parts,
        {"x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-crc32": ALGORITHMS["CRC32"](WHOLE)},
    )
    print(r)
    upload = await begin(s3, bucket)
    (first,) = await upload.sent(FIRST)
    with psycopg.connect(server.metadata_url, autocommit=True) as conn:
        values = {"id": upload.id}
        a = time.time()
        conn.execute(
            "INSERT INTO part (manifest_id, number, size, etag, checksum_algorithm, checksum)"
            " SELECT p.manifest_id, n, p.size, p.etag, p.checksum_algorithm, p.checksum"
            "   FROM part p JOIN multipart_upload u USING (manifest_id),"
            "        generate_series(2, 10000) AS n WHERE upload_id = %(id)s",
            values,
        )
        print("parts", time.time() - a)
        a = time.time()
        conn.execute(
            "INSERT INTO slice SELECT s.manifest_id, n, 0, s.digest, s.blob_byte, s.length"
            "  FROM slice s JOIN multipart_upload u USING (manifest_id),"
            "       generate_series(2, 10000) AS n WHERE upload_id = %(id)s",
            values,
        )
        print("slices", time.time() - a)
        a = time.time()
    parts = [SentPart(number, first.etag) for number in range(1, 10_001)]
    completed = await upload.complete(parts)
    print("complete", time.time() - a, completed.status)
    a = time.time()
    head = await s3.head(f"{upload.path}?partNumber=10000")
    print("head", time.time() - a, head.status)
    a = time.time()
    tail = await s3.get(upload.path, headers={"Range": "bytes=-7"})
    print("tail", time.time() - a, tail.status)
    a = time.time()
    tail = await s3.get(upload.path, headers={"Range": "bytes=-7"})
    print("tail", time.time() - a, tail.status)
    a = time.time()
    e = multipart_etag([FIRST] * 10_000)
    print("etag", time.time() - a, tail.status)
    a = time.time()
