"""s3d sweep: removes what nothing names any more, now instead of in a while."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import click

from server.blobs.store import BlobStore
from server.cli.data_directory import unserved
from server.cli.metadata import in_stores, say
from server.cli.options import DATABASE, with_settings
from server.config import Settings
from server.jobs.sweep import ORPHAN_SECONDS, SWEEP, Sweep, Swept
from server.metadata.store import Metadata


@click.command()
@click.option("--now", is_flag=True, help="Leave nothing for later: see above.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(DATABASE | {"trash_grace_seconds"})
def sweep(settings: Settings, now: bool, as_json: bool) -> None:
    """Remove what no object names any more: from the metadata, and from the blob directory.

    A running server does so by itself. Files that no row names, as a crash leaves them, are moved
    to the trash once they are twelve hours old; what is in the trash is removed after its grace.

    --now waits for neither. A download that began before its object was replaced or deleted may be
    cut off by it, and nothing can be brought back out of the trash afterwards. No upload is
    touched: while a server runs, files that no row names keep their twelve hours, because one may
    belong to an upload that is about to be answered; without one they go at once, and no server can
    be started meanwhile.

    Only one sweep works at a time, on all nodes, and none beside a backup; the status is 1 then.
    """
    grace_seconds = 0.0 if now else float(settings.trash_grace_seconds)

    with ExitStack() as stack:
        is_unserved = now and stack.enter_context(unserved(settings))
        orphans_older_than = 0.0 if is_unserved else ORPHAN_SECONDS

        async def sweep_now(metadata: Metadata, blobs: BlobStore) -> Swept:
            async with metadata.alone(SWEEP) as lock:
                if lock is None:
                    raise click.ClickException("another sweep or a backup is at work")
                one = Sweep(metadata, blobs, grace_seconds=grace_seconds)
                return await one.run(orphans_older_than=orphans_older_than, before_step=lock.check)

        swept = in_stores(settings, sweep_now)
    done: dict[str, Any] = asdict(swept)
    say(done, as_json=as_json)
    if swept.lost:
        raise click.ClickException(f"{swept.lost} blobs are lost; s3d check names them")
