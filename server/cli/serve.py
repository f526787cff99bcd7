"""s3d serve: runs the server in the foreground."""

import resource
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import structlog

from server import logs
from server.blobs.layout import Layout
from server.blobs.read_only import ReadOnlyFlag
from server.cli.credentials import RootCredentials, how_to_use, root_credentials
from server.cli.data_directory import (
    embedded_postgres,
    locked_data_directory,
    refuse_lost_database,
)
from server.cli.options import environment_help, with_settings
from server.cli.output import print_line
from server.cli.signals import end_on_signals, run
from server.config import Settings
from server.http.bind import bind
from server.http.tls import server_context
from server.http.workers import RunWorker
from server.http.workers import serve as run_workers
from server.jobs import pairing
from server.metadata import root_account
from server.metadata.administration import administration
from server.metadata.embedded import EmbeddedPostgres
from server.metadata.embedded_programs import EmbeddedPostgresError
from server.metadata.root_account import RootKey

_log = structlog.get_logger()


@click.command(epilog=environment_help())
@with_settings(data_argument=True)
def serve(settings: Settings) -> None:
    """Serve S3 with everything kept in the directory DATA (./data).

    DATA can be given as S3D_DATA, too. SIGTERM and Ctrl-C let requests in flight finish.
    """
    logs.configure(settings.log_format, settings.log_level)
    # A signal during the start ends what was started, PostgreSQL above all.
    end_on_signals()
    _raise_file_limit()
    if settings.tls_cert and settings.tls_key:
        _check_tls(settings.tls_cert, settings.tls_key)
    with ExitStack() as stack:
        stack.enter_context(locked_data_directory(settings))
        blobs = Layout((settings.data / "blobs").absolute())
        # A directory that is in use has a database already.
        is_first_start = pairing.name_of(blobs) is None
        sockets = bind(settings.address)
        stack.callback(_close, sockets)
        postgres = None
        if settings.database_url is None:
            if not is_first_start:
                refuse_lost_database(settings)
            postgres = stack.enter_context(embedded_postgres(settings))
            settings = replace(settings, database_url=postgres.url)
        root = root_credentials(settings)
        read_only = ReadOnlyFlag()
        endpoint = _endpoint(settings, sockets)
        run(_prepare(settings, blobs, root, read_only, endpoint, may_create=is_first_start))
        # What forked workers hold must not be what the environment said.
        settings = replace(settings, root_access_key=None, root_secret_key=None)
        status = run_workers(
            settings, sockets, _load, shared=read_only, each_second=partial(_keep_running, postgres)
        )
    sys.exit(status)


def _load() -> RunWorker:
    # The one import that is not at the top: only workers need aiohttp and all that comes with it.
    from server.http.app import run_worker

    return run_worker


async def _prepare(
    settings: Settings,
    blobs: Layout,
    root: RootCredentials,
    read_only: ReadOnlyFlag,
    endpoint: str,
    *,
    may_create: bool,
) -> None:
    assert settings.database_url is not None, "the embedded one has a URL, too"
    url, seconds = settings.database_url, settings.database_timeout_seconds
    async with administration(url, timeout_seconds=seconds, may_create=may_create) as conn:
        await pairing.refuse_unfit(conn, blobs)
        key = root.credentials.access_key
        became = await root_account.ensure(conn, key, root.credentials.secret_key)
        if became is RootKey.OF_ANOTHER:
            raise click.ClickException(f"the access key {key} belongs to another account than root")
        # Before the COMMIT: what nobody could be told of is still new to the next start.
        if became is RootKey.NEW and root.file is not None:
            print_line(how_to_use(root, endpoint, settings.region))
    # Not before the COMMIT: a directory that has a name is never given to a new database.
    async with administration(url, timeout_seconds=seconds, may_create=False) as conn:
        await pairing.pair(conn, blobs, read_only)


def _keep_running(postgres: EmbeddedPostgres | None) -> None:
    if postgres is None:
        return
    try:
        postgres.restart_if_dead()
    except (OSError, EmbeddedPostgresError) as error:
        _log.error("embedded PostgreSQL cannot be started", error=str(error))
    try:
        postgres.log.shorten()
    except OSError as error:
        _log.error("the log of embedded PostgreSQL could not be kept", error=str(error))


def _endpoint(settings: Settings, sockets: list[socket.socket]) -> str:
    """Return an URL that a client on this machine can use."""
    host, port, *_ = sockets[0].getsockname()
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{reachable}]" if ":" in reachable else reachable
    return f"{settings.scheme}://{shown}:{port}"


def _check_tls(cert: Path, key: Path) -> None:
    try:
        server_context(cert, key)
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"the TLS certificate {cert} with the key {key} cannot be used: {error}"
        ) from None


def _raise_file_limit() -> None:
    # A connection and a file are a descriptor each; the usual limit of 1,024 is one of habit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()
