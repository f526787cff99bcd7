"""What a database URL may be. It may hold a password, which no message ever shows."""

import re
from typing import Final

import psycopg

_UNUSABLE: Final = (
    "it cannot be read as postgresql://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE (special"
    " characters of a password are written as in any URL: %25 for %, %40 for @, %2F for /)"
)
_PORTS: Final = re.compile(r"[0-9,]*", re.ASCII)


def parse_database_url(text: str) -> str:
    """Return a libpq URI as given; ValueError, which shows nothing of it, unless libpq reads it."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("a database URL begins with postgresql://")
    try:
        found = psycopg.conninfo.conninfo_to_dict(text)
    except (psycopg.Error, UnicodeError):
        raise ValueError(_UNUSABLE) from None
    # Of a password with an @ or a / of its own libpq makes a shorter one and a host, a port or a
    # database, which messages about the connection would name.
    rest = text.partition("://")[2]
    if "@" in rest.partition("/")[0]:
        rest = rest.partition("@")[2]
    is_torn = "@" in rest.partition("?")[0]
    if is_torn or not _PORTS.fullmatch(str(found.get("port") or "")):
        raise ValueError(_UNUSABLE)
    return text
