"""s3d blob: what is known of one blob."""

import re
from typing import Any, Final

import click

from server.blobs.inspection import FoundFile
from server.blobs.layout import Layout
from server.blobs.store import BlobStore
from server.cli.metadata import in_stores, say
from server.cli.options import DATABASE, with_settings
from server.config import Settings
from server.metadata import blobs as blob_table
from server.metadata.blobs import BlobRecord
from server.metadata.store import Metadata
from server.model.names import BlobDigest

_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
# Objects of one blob that are listed; as many copies as one likes may share it.
_LISTED: Final = 1000


@click.command()
@click.argument("digest")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the blob, then who needs it.")
@with_settings(DATABASE)
def blob(settings: Settings, digest: str, as_json: bool) -> None:
    """Say what is known of the blob DIGEST, when it was last seen whole, and which objects need it.

    DIGEST is the SHA-256 of the blob in hex: the name of its file. Uploads in progress that need it
    are named, too. Of very many the first thousand are listed.
    """
    if not _DIGEST.fullmatch(digest):
        raise click.BadParameter("64 digits of 0-9 a-f are needed", param_hint="'DIGEST'")
    wanted = BlobDigest(bytes.fromhex(digest))

    async def look(metadata: Metadata, blobs: BlobStore) -> list[dict[str, Any]]:
        # One more than is listed says that there are more.
        limit = _LISTED + 1
        async with metadata.connection() as conn:
            record = await blob_table.find(conn, wanted)
            objects = await blob_table.named_by(conn, wanted, limit=limit)
            uploads = await blob_table.named_by_uploads(conn, wanted, limit=limit)
        [file] = await blobs.find_files([wanted])
        if record is None and file is None:
            raise click.ClickException(f"there is no blob {wanted.hex()}")
        needed_by: list[dict[str, Any]] = [
            *({"bucket": bucket, "key": key} for bucket, key in objects),
            *({"bucket": bucket, "key": key, "upload_id": each} for bucket, key, each in uploads),
        ]
        more = [{"more": f"only the first {_LISTED} are listed"}]
        return [
            {
                "blob": wanted.hex(),
                "size": record and record.blob.size,
                **_file(wanted, record, file, blobs.layout, as_json=as_json),
                "trashed": record and record.trashed and record.trashed.isoformat(),
                "seen_whole": record and record.seen_whole and record.seen_whole.isoformat(),
                "rotten": record and record.rotten and record.rotten.isoformat(),
            },
            *needed_by[:_LISTED],
            *(more if len(needed_by) > _LISTED else []),
        ]

    for each in in_stores(settings, look):
        say(each, as_json=as_json)


def _file(
    digest: BlobDigest,
    record: BlobRecord | None,
    file: FoundFile | None,
    layout: Layout,
    *,
    as_json: bool,
) -> dict[str, Any]:
    """Return where the file is, and what is wrong with it at a glance."""
    if file is None:
        return {"file": None, "file_fault": "missing"} if as_json else {"file": "missing"}
    fault = None
    # The row of what is in the trash need not know a size: the sweep finds files without a row.
    if record is not None and not record.trashed and file.size != record.blob.size:
        fault = f"{file.size} bytes instead of {record.blob.size}"
    path = layout.trashed(digest) if file.is_in_trash else layout.blob(digest)
    return {"file": str(path), "file_fault": fault}
