"""s3d account: the owners of buckets."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

import click

from server.cli.credentials import Credentials, random_credentials
from server.cli.metadata import in_metadata, say
from server.cli.options import DATABASE, with_settings
from server.cli.output import OutputLost
from server.config import Settings
from server.config_values import parse_access_key, parse_secret_key
from server.metadata import access_keys, accounts
from server.metadata.connection import Connection
from server.metadata.root_account import ROOT
from server.model.bucket import Account, Secret, account_number
from server.model.names import AccessKeyId, CanonicalId

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,63}", re.ASCII)
_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,255}", re.ASCII)
_CANONICAL_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@click.group()
def account() -> None:
    """Accounts: each sees its own buckets alone."""


@account.command()
@click.argument("name")
@click.option("--email", metavar="EMAIL", help="An address of the owner.")
@click.option("--canonical-id", metavar="64-HEX", help="Its id in S3's answers; else a random one.")
@click.option("--access-key", metavar="KEY", help="Its first access key; else a random one.")
@click.option(
    "--secret-key",
    metavar="SECRET",
    envvar="S3D_SECRET_KEY",
    help="The secret of that key; else a random one. A flag is visible to other users of the"
    " machine, S3D_SECRET_KEY in the environment is not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(DATABASE)
def create(
    settings: Settings,
    name: str,
    email: str | None,
    canonical_id: str | None,
    access_key: str | None,
    secret_key: str | None,
    as_json: bool,
) -> None:
    """Create the account NAME with its first key, and print that key: the one time it is shown."""
    _check(_NAME, name, "NAME", "1 to 64 of A-Z a-z 0-9 space . _ @ + -, a letter or digit first")
    _check(_EMAIL, email, "--email", "an address")
    _check(_CANONICAL_ID, canonical_id, "--canonical-id", "64 digits of 0-9 a-f")
    credentials = given_or_random(access_key, secret_key)
    chosen_id = CanonicalId(canonical_id or secrets.token_hex(32))

    async def create_it(conn: Connection) -> Account:
        made = await accounts.create(conn, name=name, canonical_id=chosen_id, email=email)
        if made is None:
            taken = await accounts.what_is_taken(
                conn, name=name, canonical_id=chosen_id, email=email
            )
            raise click.ClickException(f"another account has this {taken}")
        await give_key(conn, made, credentials)
        return made

    made = in_metadata(settings, create_it)
    say_new_key(_shown(made), credentials, as_json=as_json)


@account.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an account a line.")
@with_settings(DATABASE)
def list_accounts(settings: Settings, as_json: bool) -> None:
    """List all accounts."""
    for each in in_metadata(settings, accounts.everyone):
        say(_shown(each), as_json=as_json)


@account.command()
@click.argument("name")
@with_settings(DATABASE)
def remove(settings: Settings, name: str) -> None:
    """Remove the account NAME and its keys. Refused while it owns a bucket."""
    if name == ROOT:
        raise click.ClickException("the root account stays")

    async def remove_it(conn: Connection) -> None:
        if not await accounts.remove(conn, await existing(conn, name)):
            raise click.ClickException(f"the account {name} owns buckets; delete them first")

    in_metadata(settings, remove_it)


async def existing(conn: Connection, name: str) -> Account:
    """Return the account of that name; a message for a person where there is none."""
    found = await accounts.find(conn, name)
    if found is None:
        raise click.ClickException(f"there is no account {name}")
    return found


async def give_key(conn: Connection, owner: Account, credentials: Credentials) -> None:
    """Give the account a key; a message for a person where the id is taken."""
    if not await access_keys.create(conn, owner, credentials.access_key, credentials.secret_key):
        raise click.ClickException(f"the access key {credentials.access_key} is in use")


def say_new_key(about: Mapping[str, Any], credentials: Credentials, *, as_json: bool) -> None:
    """Print a key that was just made, with its secret; about: what stands before it."""
    shown = {
        **about,
        "access_key": credentials.access_key,
        "secret_key": str(credentials.secret_key),
    }
    try:
        say(shown, as_json=as_json)
    except (OutputLost, BrokenPipeError) as lost:
        why = lost.message if isinstance(lost, OutputLost) else "nobody reads standard output"
        raise click.ClickException(
            f"{why}. The key {credentials.access_key} exists now, and its secret was lost:"
            " remove it with s3d key remove, and make another with s3d key create"
        ) from None


def given_or_random(access_key: str | None, secret_key: str | None) -> Credentials:
    """Return credentials from two options; both or none are given."""
    if access_key is None and secret_key is None:
        return random_credentials()
    if access_key is None or secret_key is None:
        missing = "--access-key" if access_key is None else "--secret-key"
        raise click.BadParameter("both are needed, or none", param_hint=f"'{missing}'")
    try:
        checked_id = AccessKeyId(parse_access_key(access_key))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--access-key'") from None
    try:
        return Credentials(checked_id, Secret(parse_secret_key(secret_key)))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--secret-key'") from None


def _check(pattern: re.Pattern[str], text: str | None, parameter: str, what: str) -> None:
    if text is not None and not pattern.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not {what}", param_hint=f"'{parameter}'")


def _shown(one: Account) -> dict[str, Any]:
    return {
        "account": one.name,
        "account_id": account_number(one.id),
        "email": one.email,
        "canonical_id": one.canonical_id,
        "created": one.created.isoformat(),
    }
