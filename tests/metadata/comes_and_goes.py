"""One short use of the embedded PostgreSQL: python -m tests.metadata.comes_and_goes DIRECTORY."""

import sys
from pathlib import Path

import psycopg

from server.metadata.embedded import EmbeddedPostgres


def main() -> None:
    """Print 1."""
    with (
        EmbeddedPostgres(Path(sys.argv[1])) as postgres,
        psycopg.connect(postgres.url) as conn,
    ):
        row = conn.execute("SELECT 1").fetchone()
    print(*(row or ()))  # noqa: T201 - the answer of the program


if __name__ == "__main__":
    main()
