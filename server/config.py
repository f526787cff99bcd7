"""Every setting of the server, once: type, unit, default, flag, environment name and help.

The command line, its help text and the table of the README are generated from the fields of
Settings, so a new setting is one new field here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from server.config_values import (
    Address,
    integer,
    one_of,
    parse_access_key,
    parse_address,
    parse_domain,
    parse_path,
    parse_region,
    parse_secret_key,
    parse_switch,
    usable_cores,
)
from server.metadata.database_url import parse_database_url

_BUILT_IN_DOMAIN: Final = "localhost"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("auto", "text", "json")


class SettingError(ValueError):
    """A setting that cannot be used. name: the field of Settings that is to blame."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


def _about(
    parse: Callable[[str], Any],
    unit: str,
    text: str,
    *,
    shown_default: str | None = None,
    flag: str | None = None,
    repeatable: bool = False,
    environment_only: bool = False,
) -> dict[str, Any]:
    """Return what a field of Settings tells its readers.

    parse: turns what a person wrote into the value; ValueError where it cannot.
    unit:  one word for what the value counts or is. text: a sentence for --help and the README.
    """
    return {
        "parse": parse,
        "unit": unit,
        "help": text,
        "shown_default": shown_default,
        "flag": flag,
        "repeatable": repeatable,
        "environment_only": environment_only,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one server runs. Raises SettingError where two settings do not fit each other."""

    data: Path = field(
        default=Path("data"), metadata=_about(parse_path, "DIRECTORY", "Where everything is kept.")
    )
    address: Address = field(
        default=Address("127.0.0.1", 9000),
        metadata=_about(
            parse_address,
            "HOST:PORT",
            "Where to listen; an IPv6 address needs brackets, port 0 takes a free port.",
        ),
    )
    workers: int = field(
        default_factory=usable_cores,
        metadata=_about(
            integer(1, 512), "PROCESSES", "Worker processes.", shown_default="the cores"
        ),
    )
    region: str = field(
        default="us-east-1",
        metadata=_about(
            parse_region, "NAME", "The region that signatures must name and buckets lie in."
        ),
    )
    domains: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            parse_domain,
            "NAME",
            "A base domain for virtual-hosted style (BUCKET.NAME); may be given more than once."
            " localhost is built in.",
            shown_default="localhost",
            flag="domain",
            repeatable=True,
        ),
    )
    database_url: str | None = field(
        default=None,
        repr=False,
        metadata=_about(
            parse_database_url,
            "URL",
            "The PostgreSQL server that keeps the metadata. A flag is visible to other users of the"
            " machine: a URL with a password belongs in the environment.",
            shown_default="an embedded PostgreSQL in the data directory",
        ),
    )
    tls_cert: Path | None = field(
        default=None,
        metadata=_about(
            parse_path, "FILE", "PEM file: the certificate and its chain; makes it https."
        ),
    )
    tls_key: Path | None = field(
        default=None,
        metadata=_about(parse_path, "FILE", "PEM file: the private key of the certificate."),
    )
    root_access_key: str | None = field(
        default=None,
        metadata=_about(
            parse_access_key,
            "KEY",
            "Access key of the root account.",
            shown_default="a random one, kept in the data directory",
            environment_only=True,
        ),
    )
    root_secret_key: str | None = field(
        default=None,
        repr=False,
        metadata=_about(
            parse_secret_key,
            "KEY",
            "Secret key of the root account.",
            shown_default="a random one, kept in the data directory",
            environment_only=True,
        ),
    )
    sigv2: bool = field(
        default=True,
        metadata=_about(parse_switch, "SWITCH", "Accept requests signed with Signature Version 2."),
    )
    inline_limit_bytes: int = field(
        default=96 << 10,  # where the curves of docs/performance.md cross
        metadata=_about(
            integer(0, 512 << 10),  # PIECE_BYTES: what is larger is never gathered in memory
            "BYTES",
            "Bodies up to this size are kept in their row instead of a file.",
        ),
    )
    disk_reserve_bytes: int = field(
        default=64 << 20,
        metadata=_about(
            integer(0, 1 << 50),
            "BYTES",
            "Uploads are refused while the disk has less than this free.",
        ),
    )
    max_connections: int = field(
        default=1024,
        metadata=_about(
            integer(1, 1_000_000),
            "CONNECTIONS",
            "Client connections that one worker holds open; more are answered SlowDown.",
        ),
    )
    max_inflight_requests: int = field(
        default=256,
        metadata=_about(
            integer(1, 1_000_000),
            "REQUESTS",
            "Requests that one worker works on at a time; more wait for half a second, and are then"
            " answered SlowDown.",
        ),
    )
    document_memory_bytes: int = field(
        default=32 << 20,
        metadata=_about(
            integer(0, 1 << 40),
            "BYTES",
            "Documents (bodies of XML above 64 KiB) that one worker holds at a time; more are"
            " answered SlowDown.",
        ),
    )
    database_connections: int = field(
        default=8,
        metadata=_about(
            integer(1, 1000),
            "CONNECTIONS",
            "Connections to PostgreSQL that one worker lends to requests, beside 10 of its own.",
        ),
    )
    blob_threads: int = field(
        default=8,
        metadata=_about(
            integer(1, 1000),
            "THREADS",
            "Threads of one worker that hash bodies and read and write files.",
        ),
    )
    header_timeout_seconds: int = field(
        default=20,
        metadata=_about(
            integer(1, 3600), "SECONDS", "How long a client may take to send the head of a request."
        ),
    )
    keep_alive_seconds: int = field(
        default=75,
        metadata=_about(integer(1, 86400), "SECONDS", "How long an idle connection is kept open."),
    )
    body_idle_timeout_seconds: int = field(
        default=60,
        metadata=_about(
            integer(1, 3600),
            "SECONDS",
            "How long a body may stand still, either way, before the connection is closed.",
        ),
    )
    min_body_bytes_per_second: int = field(
        default=1024,
        metadata=_about(
            integer(0, 1 << 30),
            "BYTES",
            "The least pace of a body, either way, on average over the body idle timeout; a slower"
            " connection is closed.",
        ),
    )
    graceful_timeout_seconds: int = field(
        default=30,
        metadata=_about(
            integer(1, 86400),
            "SECONDS",
            "How long a stopping server lets requests in flight finish.",
        ),
    )
    worker_timeout_seconds: int = field(
        default=60,
        metadata=_about(
            integer(2, 3600),
            "SECONDS",
            "A worker that shows no sign of life for so long is killed and replaced.",
        ),
    )
    database_timeout_seconds: int = field(
        default=30,
        metadata=_about(
            integer(1, 3600),
            "SECONDS",
            "How long to wait for PostgreSQL: to connect, or to answer one statement.",
        ),
    )
    sweep_interval_seconds: int = field(
        default=60,
        metadata=_about(
            integer(1, 3600),  # jobs/sweep.py leaves an hour of the day of D8 for it
            "SECONDS",
            "How often blobs that nothing names any more are looked for.",
        ),
    )
    trash_grace_seconds: int = field(
        default=3600,
        metadata=_about(
            integer(0, 30 * 86400),
            "SECONDS",
            "How long a removed blob stays in the trash before it is gone.",
        ),
    )
    scrub_bytes_per_second: int = field(
        default=8 << 20,
        metadata=_about(
            integer(0, 1 << 50),
            "BYTES",
            "How fast blobs are read again to find those that rot; 0 turns it off.",
        ),
    )
    scrub_interval_days: int = field(
        default=30,
        metadata=_about(
            integer(0, 3650), "DAYS", "How often each blob is to be read again, at that pace."
        ),
    )
    log_format: str = field(
        default="auto",
        metadata=_about(
            one_of(LOG_FORMATS),
            "|".join(LOG_FORMATS),
            "Form of log lines; auto is text on a terminal and json elsewhere.",
        ),
    )
    log_level: str = field(
        default="info",
        metadata=_about(one_of(LOG_LEVELS), "|".join(LOG_LEVELS), "The least that is logged."),
    )

    def __post_init__(self) -> None:
        if self.tls_key and not self.tls_cert:
            raise SettingError("tls_cert", "needed with a TLS key")
        if self.tls_cert and not self.tls_key:
            raise SettingError("tls_key", "needed with a TLS certificate")
        if self.root_secret_key and not self.root_access_key:
            raise SettingError("root_access_key", "needed with a root secret key")
        if self.root_access_key and not self.root_secret_key:
            raise SettingError("root_secret_key", "needed with a root access key")

    @property
    def all_domains(self) -> tuple[str, ...]:
        """Return every domain whose sub-domains are buckets, the built-in one among them."""
        return tuple(dict.fromkeys((*self.domains, _BUILT_IN_DOMAIN)))

    @property
    def scheme(self) -> str:
        """Return "https" where a certificate is set, else "http"."""
        return "https" if self.tls_cert else "http"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a person meets it."""

    name: str  # the field of Settings
    flag: str | None  # without dashes; None where only the environment sets it
    environment: str
    unit: str
    default: str
    help: str
    repeatable: bool
    is_switch: bool
    parse: Callable[[str], Any]


def described() -> tuple[Setting, ...]:
    """Return every setting, in the order of Settings."""
    return tuple(
        Setting(
            name=each.name,
            flag=None if each.metadata["environment_only"] else _flag(each.name, each.metadata),
            environment="S3D_" + _flag(each.name, each.metadata).replace("-", "_").upper(),
            unit=each.metadata["unit"],
            default=_shown(each.default, each.metadata),
            help=each.metadata["help"],
            repeatable=each.metadata["repeatable"],
            is_switch=isinstance(each.default, bool),
            parse=each.metadata["parse"],
        )
        for each in fields(Settings)
    )


def _flag(name: str, metadata: Mapping[str, Any]) -> str:
    return metadata["flag"] or name.replace("_", "-")


def _shown(default: Any, metadata: Mapping[str, Any]) -> str:
    if metadata["shown_default"] is not None:
        return str(metadata["shown_default"])
    if default is None:
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)
