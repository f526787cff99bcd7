"""Settings of the embedded PostgreSQL: what we change from its defaults, and why."""

import os
from pathlib import Path
from typing import Final

ROLE: Final = "s3d"
DATABASE: Final = "s3d"
# Made by initdb. The server never uses it; it is there for repairs and for the tests.
SUPERUSER: Final = "postgres"
# No port is opened: the number is part of the socket's name.
PORT: Final = 5432
SOCKET_NAME: Final = f".s.PGSQL.{PORT}"

_MIB: Final = 1 << 20

_POSTGRESQL_CONF: Final = """\
# Written by s3d whenever it starts PostgreSQL: changes here are lost.
# Settings of your own belong into local.conf beside this file; they win over these.

# Only through a socket in a directory that other users cannot enter.
listen_addresses = ''
port = {port}
unix_socket_directories = '{socket_directory}'
unix_socket_permissions = 0700
hba_file = '{directory}/pg_hba.conf'
ident_file = '{directory}/pg_ident.conf'
max_connections = {max_connections}

# An answered request is on disk. These are the defaults; the server refuses to run without them.
fsync = on
synchronous_commit = on
full_page_writes = on
data_sync_retry = off

# An eighth of the memory: bodies above a few KiB are files, which the page cache serves.
shared_buffers = {shared_buffers}MB
effective_cache_size = {cache}MB
huge_pages = try

# Fewer checkpoints: each one makes the next change of every page write that page whole.
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = on

# Single rows and short ranges of an index: compiling or splitting such a query costs more than
# running it. Metadata lie on the same disk as bodies: a random page is nearly as cheap as the next.
jit = off
max_parallel_workers_per_gather = 0
random_page_cost = 1.1

# Overwrites and deletes leave dead rows that listings step over: collect them early.
autovacuum_naptime = 15s
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_insert_scale_factor = 0.05
autovacuum_analyze_scale_factor = 0.05

# A message may quote the failing row, and a row may hold a secret key.
log_error_verbosity = terse
log_min_error_statement = panic
log_checkpoints = off
log_timezone = UTC
timezone = UTC
"""

# Whoever the system says connects must be one of the users of pg_ident.conf. Nothing else matches,
# and what does not match is refused.
_PG_HBA_CONF: Final = """\
# Written by s3d whenever it starts PostgreSQL: changes here are lost.
local all all peer map=s3d
"""


def postgresql_conf(directory: Path, socket_directory: Path, *, max_connections: int) -> str:
    """Return the text of postgresql.conf. directory: absolute, where the other files lie."""
    memory = _memory_bytes() // _MIB
    local = directory / "local.conf"
    text = _POSTGRESQL_CONF.format(
        directory=_quoted(directory),
        socket_directory=_quoted_element(socket_directory),
        port=PORT,
        max_connections=max_connections,
        shared_buffers=min(max(memory // 8, 64), 1024),
        cache=max(memory // 2, 128),
    )
    return text + (f"include = '{_quoted(local)}'\n" if local.exists() else "")


def pg_hba_conf() -> str:
    """Return the text of pg_hba.conf."""
    return _PG_HBA_CONF


def pg_ident_conf(users: list[str]) -> str:
    """Return the text of pg_ident.conf: these users of the system may connect, and no other."""
    lines = [
        f'{ROLE} "{user}" {role}\n' for user in dict.fromkeys(users) for role in (ROLE, SUPERUSER)
    ]
    return "# Written by s3d whenever it starts PostgreSQL: changes here are lost.\n" + "".join(
        lines
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _quoted_element(path: Path) -> str:
    # The setting is a list: within it, a name with a comma or a space needs double quotes.
    return _quoted(Path('"' + str(path).replace('"', '""') + '"'))


def _memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or less in a container."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine
