"""Access keys and secrets made here, and the file that keeps those of the root account."""

import contextlib
import os
import secrets
import shlex
import string
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from server.config import Settings
from server.config_values import parse_access_key, parse_secret_key
from server.model.bucket import Secret
from server.model.names import AccessKeyId

FILE_NAME: Final = "root-credentials"
_ACCESS_KEY: Final = "S3D_ROOT_ACCESS_KEY"
_SECRET_KEY: Final = "S3D_ROOT_SECRET_KEY"
_ID_CHARACTERS: Final = string.ascii_uppercase + string.digits
# 40 of these are 238 random bits. Without + and / they need no quoting anywhere.
_SECRET_CHARACTERS: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and its secret; repr hides the secret."""

    access_key: AccessKeyId
    secret_key: Secret


@dataclass(frozen=True, slots=True)
class RootCredentials:
    """The root account's credentials. file: where they are kept; None: the operator keeps them."""

    credentials: Credentials
    file: Path | None


def random_credentials() -> Credentials:
    """Return credentials of the lengths that AWS uses: 20 and 40 characters."""
    access_key = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(20))
    secret_key = "".join(secrets.choice(_SECRET_CHARACTERS) for _ in range(40))
    return Credentials(AccessKeyId(access_key), Secret(secret_key))


def root_credentials(settings: Settings) -> RootCredentials:
    """Return the credentials of the environment, or those that the data directory keeps.

    The first call without either makes random ones, readable by the owner of the file alone.
    """
    if settings.root_access_key and settings.root_secret_key:
        given = Credentials(AccessKeyId(settings.root_access_key), Secret(settings.root_secret_key))
        return RootCredentials(given, None)
    file = settings.data / FILE_NAME
    if not file.exists():
        _write_new(file, random_credentials())
    return RootCredentials(_read(file), file)


def how_to_use(root: RootCredentials, endpoint: str, region: str) -> str:
    """Return lines to paste for aws and rclone.

    On a terminal they show the secret. Elsewhere standard output is often the log of a service:
    there the lines read it from the file.
    """
    assert root.file is not None, "only credentials that were made here are explained"
    file = root.file.absolute()
    show = sys.stdout.isatty()
    access_key = root.credentials.access_key if show else f'"${_ACCESS_KEY}"'
    secret_key = str(root.credentials.secret_key) if show else f'"${_SECRET_KEY}"'
    lines = [
        f"Root credentials were made, and are kept in {file}",
        "",
        "  aws:",
        *([] if show else [f"    . {shlex.quote(str(file))}"]),
        f"    export AWS_ACCESS_KEY_ID={access_key}",
        f"    export AWS_SECRET_ACCESS_KEY={secret_key}",
        f"    export AWS_DEFAULT_REGION={region}",
        f"    aws --endpoint-url {endpoint} s3 ls",
        "",
        "  rclone:",
        *([] if show else [f"    . {shlex.quote(str(file))}"]),
        "    rclone config create s3d s3 provider=Other env_auth=false"
        f" region={region} endpoint={endpoint}"
        f" access_key_id={access_key} secret_access_key={secret_key}",
        "    rclone lsd s3d:",
        "",
    ]
    return "\n".join(lines)


def _write_new(file: Path, made: Credentials) -> None:
    """Write the file, unless a server on another node is first."""
    text = f"{_ACCESS_KEY}={made.access_key}\n{_SECRET_KEY}={made.secret_key}\n"
    new = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(new, file)
    finally:
        new.unlink()
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(file: Path) -> Credentials:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        values = dict(line.split("=", 1) for line in lines if line.strip())
        return Credentials(
            AccessKeyId(parse_access_key(values[_ACCESS_KEY])),
            Secret(parse_secret_key(values[_SECRET_KEY])),
        )
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    except (KeyError, ValueError):
        raise click.ClickException(
            f"{file} does not hold one line {_ACCESS_KEY}=… and one {_SECRET_KEY}=…"
        ) from None
