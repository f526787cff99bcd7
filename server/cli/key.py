"""s3d key: the credentials of accounts."""

import click

from server.cli.account import existing, give_key, given_or_random, say_new_key
from server.cli.metadata import in_metadata, say
from server.cli.options import DATABASE, with_settings
from server.config import Settings
from server.metadata import access_keys
from server.metadata.connection import Connection
from server.metadata.root_account import ROOT
from server.model.bucket import AccessKey
from server.model.names import AccessKeyId

_OF_ROOT = (
    "the key of the root account is what S3D_ROOT_ACCESS_KEY or the file root-credentials says"
    " when the server starts"
)


@click.group()
def key() -> None:
    """Access keys. A change holds for every request that starts after it."""


@key.command()
@click.argument("account")
@click.option("--access-key", metavar="KEY", help="The access key; else a random one.")
@click.option(
    "--secret-key",
    metavar="SECRET",
    envvar="S3D_SECRET_KEY",
    help="Its secret; else a random one. A flag is visible to other users of the machine,"
    " S3D_SECRET_KEY in the environment is not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(DATABASE)
def create(
    settings: Settings,
    account: str,
    access_key: str | None,
    secret_key: str | None,
    as_json: bool,
) -> None:
    """Give ACCOUNT one more key, and print it: the one time it is shown."""
    if account == ROOT:
        raise click.ClickException(_OF_ROOT)
    credentials = given_or_random(access_key, secret_key)

    async def create_it(conn: Connection) -> None:
        await give_key(conn, await existing(conn, account), credentials)

    in_metadata(settings, create_it)
    say_new_key({"account": account}, credentials, as_json=as_json)


@key.command("list")
@click.argument("account")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a key a line.")
@with_settings(DATABASE)
def list_keys(settings: Settings, account: str, as_json: bool) -> None:
    """List the keys of ACCOUNT, without their secrets."""

    async def list_them(conn: Connection) -> list[AccessKey]:
        return list(await access_keys.of_account(conn, await existing(conn, account)))

    for each in in_metadata(settings, list_them):
        say({"access_key": each.access_key_id, "active": each.active}, as_json=as_json)


@key.command()
@click.argument("access_key")
@with_settings(DATABASE)
def disable(settings: Settings, access_key: str) -> None:
    """Refuse requests with ACCESS_KEY from now on."""
    _set_active(settings, access_key, active=False)


@key.command()
@click.argument("access_key")
@with_settings(DATABASE)
def enable(settings: Settings, access_key: str) -> None:
    """Accept requests with ACCESS_KEY again."""
    _set_active(settings, access_key, active=True)


@key.command()
@click.argument("access_key")
@with_settings(DATABASE)
def remove(settings: Settings, access_key: str) -> None:
    """Remove ACCESS_KEY for good."""

    async def remove_it(conn: Connection) -> None:
        await access_keys.remove(conn, await _changeable(conn, access_key))

    in_metadata(settings, remove_it)


def _set_active(settings: Settings, access_key: str, *, active: bool) -> None:
    async def set_it(conn: Connection) -> None:
        await access_keys.set_active(conn, await _changeable(conn, access_key), active=active)

    in_metadata(settings, set_it)


async def _changeable(conn: Connection, access_key: str) -> AccessKeyId:
    _, found = await access_keys.find(conn, AccessKeyId(access_key))
    if found is None:
        raise click.ClickException(f"there is no access key {access_key}")
    if found.account.name == ROOT:
        raise click.ClickException(_OF_ROOT)
    return found.access_key_id
