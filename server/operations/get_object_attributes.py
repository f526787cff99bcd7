"""GetObjectAttributes: GET /{Bucket}/{Key}?attributes

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
"""

from collections.abc import Set

from server.metadata import manifests
from server.model.blob import ManifestBody
from server.model.object_version import ObjectContent
from server.operation import ObjectRequest, S3Reply, Stores
from server.reading import find_version
from server.rules.attributes import parse_attributes
from server.rules.http_dates import format_http_date
from server.rules.listings import PartsPage, parse_attributes_page
from server.rules.unsupported_headers import refuse_unsupported_headers
from xml_responses import object_attributes
from xml_responses.object_attributes import ObjectParts, get_object_attributes_response


async def get_object_attributes(request: ObjectRequest, stores: Stores) -> S3Reply:
    """Tell the attributes that are asked for."""
    refuse_unsupported_headers(request.headers)
    wanted = parse_attributes(request.headers)
    page = parse_attributes_page(request.headers)
    version = await find_version(
        stores,
        request.bucket,
        request.key,
        request.query.get("versionId"),
        request.grant,
        with_body=False,
    )
    content = version.content

    body = get_object_attributes_response(
        etag=content.etag if "ETag" in wanted else None,
        checksum=content.checksum if "Checksum" in wanted else None,
        object_parts=await _parts(stores, content, wanted, page),
        storage_class=content.storage_class if "StorageClass" in wanted else None,
        object_size=content.size if "ObjectSize" in wanted else None,
    )
    headers = {
        "Content-Type": "application/xml",
        "Last-Modified": format_http_date(version.last_modified),
    }
    return S3Reply(headers=headers, body=body)


async def _parts(
    stores: Stores, content: ObjectContent, wanted: Set[str], page: PartsPage
) -> ObjectParts | None:
    if "ObjectParts" not in wanted or not isinstance(content.body, ManifestBody):
        return None
    async with stores.metadata.connection() as conn:
        parts, is_truncated = await manifests.parts(
            conn, content.body.manifest_id, after=page.after, limit=page.limit
        )
    return ObjectParts(
        total=content.body.parts,
        page=object_attributes.PartsPage(
            part_number_marker=page.after,
            next_part_number_marker=parts[-1].number if parts else None,
            max_parts=page.limit,
            is_truncated=is_truncated,
            parts=parts,
        ),
    )
