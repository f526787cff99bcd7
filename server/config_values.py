"""What the value of a setting may be: parsers of text that a person wrote.

Each returns the value, or raises ValueError with a message for that person.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

_LAST_PORT: Final = 65535
_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_REGION: Final = re.compile(_LABEL, re.ASCII)
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
# Characters that need no quoting in a header, a URL, a shell or an INI file.
_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{3,128}", re.ASCII)
_SECRET_KEY: Final = re.compile(r"[!-~]{8,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An IPv6 host has no brackets here; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that "HOST:PORT" or "[IPv6]:PORT" names; ValueError otherwise."""
    host, separator, port = text.rpartition(":")
    if not separator or not _DIGITS.fullmatch(port):
        raise ValueError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:9000 or [::1]:9000")
    if int(port) > _LAST_PORT:
        raise ValueError(f"{port} is not a port: they end at {_LAST_PORT}")
    if host.startswith("[") and host.endswith("]"):
        return Address(str(IPv6Address(host[1:-1])), int(port))
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name or an address (IPv6 needs brackets)")
    return Address(host, int(port))


def parse_access_key(text: str) -> str:
    """Return an access key id as given; ValueError unless 3 to 128 of A-Z a-z 0-9 _ . -"""
    if not _ACCESS_KEY.fullmatch(text):
        raise ValueError("an access key has 3 to 128 characters of A-Z a-z 0-9 _ . -")
    return text


def parse_secret_key(text: str) -> str:
    """Return a secret key as given; ValueError, which never shows it, unless it is usable."""
    if not _SECRET_KEY.fullmatch(text):
        raise ValueError("a secret key has 8 to 128 visible ASCII characters, and no space")
    return text


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers, both bounds included."""

    def parse(text: str) -> int:
        if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return a parser that takes one of the choices and nothing else."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def parse_region(text: str) -> str:
    """Return the name of a region."""
    if not _REGION.fullmatch(text):
        raise ValueError(f"{text!r} is not a region, for example us-east-1")
    return text


def parse_domain(text: str) -> str:
    """Return a domain name, which must be in lower case already."""
    if len(text) > 253 or not _DOMAIN.fullmatch(text):
        raise ValueError(f"{text!r} is not a domain name in lower case")
    return text


def parse_path(text: str) -> Path:
    """Return a path, as given: relative ones stay relative."""
    if not text or "\0" in text:
        raise ValueError("a path cannot be empty")
    return Path(text)


def parse_switch(text: str) -> bool:
    """Return what 1, true, yes, on and their opposites mean, in any case."""
    lowered = text.lower()
    if lowered not in {"1", "0", "true", "false", "yes", "no", "on", "off"}:
        raise ValueError(f"{text!r} is not true or false")
    return lowered in {"1", "true", "yes", "on"}


def usable_cores() -> int:
    """Return how many cores this process may run on, at least 1."""
    return len(os.sched_getaffinity(0)) or 1
