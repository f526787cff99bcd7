"""What botocore must read out of each document, from what went into it."""

from datetime import datetime
from typing import Any

from server.model.bucket import Account, Bucket
from server.model.checksum import Checksum
from server.model.listing import ListedObject
from xml_responses import deletes, object_attributes
from xml_responses.tagging import Tag


def _owner(owner: Account) -> dict[str, str]:
    return {"ID": owner.canonical_id, "DisplayName": owner.name}


def _checksum(checksum: Checksum | None) -> dict[str, str]:
    if checksum is None:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum.type}


def _part_checksum(part: object_attributes.ObjectPart) -> dict[str, str]:
    if part.checksum_algorithm is None or part.checksum is None:
        return {}
    return {f"Checksum{part.checksum_algorithm}": part.checksum}


def _present(**members: object) -> dict[str, Any]:
    """Return what botocore has read: members that are not there, and empty lists, are left out."""
    return {name: value for name, value in members.items() if value is not None and value != []}


def list_buckets(
    *, owner: Account, buckets: list[Bucket], prefix: str | None, continuation_token: str | None
) -> dict[str, Any]:
    listed = [
        {"Name": bucket.name, "CreationDate": bucket.created, "BucketRegion": bucket.region}
        for bucket in buckets
    ]
    # Not a flattened list: botocore reads an empty <Buckets/> as an empty list.
    return {"Buckets": listed} | _present(
        Owner=_owner(owner), Prefix=prefix, ContinuationToken=continuation_token
    )


def _contents(objects: list[ListedObject], owner: Account | None) -> list[dict[str, Any]]:
    return [
        _present(
            Key=listed.key,
            LastModified=listed.last_modified,
            ETag=f'"{listed.etag}"',
            ChecksumAlgorithm=[listed.checksum_algorithm] if listed.checksum_algorithm else None,
            ChecksumType=listed.checksum_type,
            Size=listed.size,
            StorageClass=listed.storage_class,
            Owner=None if owner is None else _owner(owner),
        )
        for listed in objects
    ]


def list_objects(**members: Any) -> dict[str, Any]:
    return _present(
        Name=members["name"],
        Prefix=members["prefix"],
        Marker=members["marker"],
        NextMarker=members["next_marker"],
        MaxKeys=members["max_keys"],
        Delimiter=members["delimiter"] or None,
        EncodingType=members["encoding_type"],
        IsTruncated=members["is_truncated"],
        Contents=_contents(members["contents"], members["owner"]),
        CommonPrefixes=[{"Prefix": prefix} for prefix in members["common_prefixes"]],
    )


def list_objects_v2(**members: Any) -> dict[str, Any]:
    return _present(
        Name=members["name"],
        Prefix=members["prefix"],
        StartAfter=members["start_after"],
        ContinuationToken=members["continuation_token"],
        NextContinuationToken=members["next_continuation_token"],
        KeyCount=len(members["contents"]) + len(members["common_prefixes"]),
        MaxKeys=members["max_keys"],
        Delimiter=members["delimiter"] or None,
        EncodingType=members["encoding_type"],
        IsTruncated=members["is_truncated"],
        Contents=_contents(members["contents"], members["owner"]),
        CommonPrefixes=[{"Prefix": prefix} for prefix in members["common_prefixes"]],
    )


def copy_object(*, last_modified: datetime, etag: str, checksum: Checksum | None) -> dict[str, Any]:
    result = {"LastModified": last_modified, "ETag": f'"{etag}"', **_checksum(checksum)}
    return {"CopyObjectResult": result}


def upload_part_copy(
    *, last_modified: datetime, etag: str, checksum_algorithm: str, checksum: str
) -> dict[str, Any]:
    result = {
        "LastModified": last_modified,
        "ETag": f'"{etag}"',
        f"Checksum{checksum_algorithm}": checksum,
    }
    return {"CopyPartResult": result}


def delete_objects(
    *, deleted: list[deletes.Deleted], errors: list[deletes.NotDeleted]
) -> dict[str, Any]:
    return _present(
        Deleted=[
            _present(
                Key=gone.key,
                VersionId=gone.version_id,
                DeleteMarker=None if gone.delete_marker_version_id is None else True,
                DeleteMarkerVersionId=gone.delete_marker_version_id,
            )
            for gone in deleted
        ],
        Errors=[
            _present(
                Key=error.key, VersionId=error.version_id, Code=error.code, Message=error.message
            )
            for error in errors
        ],
    )


def create_multipart_upload(*, bucket: str, key: str, upload_id: str) -> dict[str, Any]:
    return {"Bucket": bucket, "Key": key, "UploadId": upload_id}


def complete_multipart_upload(
    *, location: str, bucket: str, key: str, etag: str, checksum: Checksum | None
) -> dict[str, Any]:
    return {
        "Location": location,
        "Bucket": bucket,
        "Key": key,
        "ETag": f'"{etag}"',
        **_checksum(checksum),
    }


def list_parts(**members: Any) -> dict[str, Any]:
    return _present(
        Bucket=members["bucket"],
        Key=members["key"],
        UploadId=members["upload_id"],
        Initiator=_owner(members["initiator"]),
        Owner=_owner(members["owner"]),
        StorageClass=members["storage_class"],
        ChecksumAlgorithm=members["checksum_algorithm"],
        ChecksumType=members["checksum_type"],
        PartNumberMarker=members["part_number_marker"],
        NextPartNumberMarker=members["next_part_number_marker"],
        MaxParts=members["max_parts"],
        IsTruncated=members["is_truncated"],
        Parts=[
            {
                "PartNumber": part.number,
                "LastModified": part.last_modified,
                "ETag": f'"{part.etag}"',
                "Size": part.size,
                **_part_checksum(part),
            }
            for part in members["parts"]
        ],
    )


def list_multipart_uploads(**members: Any) -> dict[str, Any]:
    owner = _owner(members["owner"])
    return _present(
        Bucket=members["bucket"],
        KeyMarker=members["key_marker"],
        UploadIdMarker=members["upload_id_marker"],
        NextKeyMarker=members["next_key_marker"],
        NextUploadIdMarker=members["next_upload_id_marker"],
        Delimiter=members["delimiter"] or None,
        Prefix=members["prefix"] or None,
        EncodingType=members["encoding_type"],
        MaxUploads=members["max_uploads"],
        IsTruncated=members["is_truncated"],
        Uploads=[
            _present(
                Key=upload.key,
                UploadId=upload.upload_id,
                Initiated=upload.initiated,
                StorageClass=upload.storage_class,
                Initiator=owner,
                Owner=owner,
                ChecksumAlgorithm=upload.checksum_algorithm,
                ChecksumType=upload.checksum_type,
            )
            for upload in members["uploads"]
        ],
        CommonPrefixes=[{"Prefix": prefix} for prefix in members["common_prefixes"]],
    )


def get_object_attributes(
    *,
    etag: str | None,
    checksum: Checksum | None,
    object_parts: object_attributes.ObjectParts | None,
    storage_class: str | None,
    object_size: int | None,
) -> dict[str, Any]:
    parts: dict[str, Any] | None = None
    if object_parts is not None:
        parts = {"TotalPartsCount": object_parts.total}
        if object_parts.page is not None:
            page = object_parts.page
            parts |= _present(
                PartNumberMarker=page.part_number_marker,
                NextPartNumberMarker=page.next_part_number_marker,
                MaxParts=page.max_parts,
                IsTruncated=page.is_truncated,
                Parts=[
                    {"PartNumber": part.number, "Size": part.size, **_part_checksum(part)}
                    for part in page.parts
                ],
            )
    return _present(
        ETag=etag,
        Checksum=None if checksum is None else _checksum(checksum),
        ObjectParts=parts,
        StorageClass=storage_class,
        ObjectSize=object_size,
    )


def tagging(*, tags: list[Tag]) -> dict[str, Any]:
    return {"TagSet": [{"Key": tag.key, "Value": tag.value} for tag in tags]}
