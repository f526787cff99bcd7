"""s3d blob: what is known of one blob."""

import re
from typing import Any, Final

import click

from server.blobs.store import BlobStore
from server.cli.metadata import in_stores, say
from server.cli.options import DATABASE, with_settings
from server.config import Settings
from server.metadata import blobs as blob_table
from server.metadata.store import Metadata
from server.model.names import BlobDigest

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
# Objects of one blob that are listed; as many copies as one likes may share it.
_LISTED: Final = 1000


@click.command()
@click.argument("digest")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the blob, then its objects.")
@with_settings(DATABASE)
def blob(settings: Settings, digest: str, as_json: bool) -> None:
    """Say what is known of the blob DIGEST, when it was last seen whole, and which objects need it.

    DIGEST is the SHA-256 of the blob in hex: the name of its file.
    """
    if not _DIGEST.fullmatch(digest):
        raise click.BadParameter("64 digits of 0-9 a-f are needed", param_hint="'DIGEST'")
    wanted = BlobDigest(bytes.fromhex(digest))

    async def look(metadata: Metadata, blobs: BlobStore) -> list[dict[str, Any]]:
        async with metadata.connection() as conn:
            record = await blob_table.find(conn, wanted)
            names = await blob_table.named_by(conn, wanted, limit=_LISTED)
        [file] = await blobs.find_files([wanted])
        if record is None and file is None:
            raise click.ClickException(f"there is no blob {digest}")
        path = None
        if file is not None:
            layout = blobs.layout
            path = layout.trashed(wanted) if file.is_in_trash else layout.blob(wanted)
        return [
            {
                "blob": digest,
                "size": record and record.blob.size,
                "file": path and str(path),
                "trashed": record and record.trashed and record.trashed.isoformat(),
                "seen_whole": record and record.seen_whole and record.seen_whole.isoformat(),
                "rotten": record and record.rotten and record.rotten.isoformat(),
            },
            *({"bucket": bucket, "key": key} for bucket, key in names),
        ]

    for each in in_stores(settings, look):
        say(each, as_json=as_json)
