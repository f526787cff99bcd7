"""All commands of s3d, and how one of them ends that cannot do its work."""

import sys

import click

from server.blobs.errors import StorageError
from server.cli.account import account
from server.cli.backup import backup
from server.cli.blob import blob
from server.cli.check import check
from server.cli.key import key
from server.cli.restore import restore
from server.cli.serve import serve
from server.cli.sweep import sweep
from server.http.bind import BindError
from server.metadata.embedded_programs import EmbeddedPostgresError
from server.metadata.errors import MetadataError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="simple-storage-service", prog_name="s3d")
def commands() -> None:
    """An S3 server: metadata in PostgreSQL, bodies in a content-addressed directory."""


for _command in (serve, account, key, check, sweep, blob, backup, restore):
    commands.add_command(_command)


def run_command() -> None:
    """Run a command; what it cannot do for a reason outside of it is one message and status 1."""
    try:
        commands(prog_name="s3d")
    except (BindError, EmbeddedPostgresError, MetadataError, StorageError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
