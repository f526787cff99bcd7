"""A real PostgreSQL: a database of its own for each test, with the schema in it.

S3D_TEST_DATABASE_URL  a PostgreSQL where databases may be created; else each process of the run
                       starts an embedded one, with everything as durable as in production.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from server.metadata.embedded import EmbeddedPostgres
from server.metadata.embedded_settings import SUPERUSER
from server.metadata.schema import schema_sql


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database from which others may be created; tests keep nothing in it."""
    if given := os.environ.get("S3D_TEST_DATABASE_URL"):
        yield given
        return
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as postgres:
        _, _, path, query, _ = urlsplit(postgres.url)
        yield urlunsplit(("postgresql", f"{SUPERUSER}@", path, query, ""))


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """The name of a database with the schema and nothing else; nobody is connected to it."""
    name = f"s3d_template_{secrets.token_hex(6)}"
    _administer(postgres_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with closing(psycopg.connect(_at(postgres_url, name), autocommit=True)) as conn:
        conn.execute(schema_sql())
    yield name
    _administer(postgres_url, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """The URL of a database with the schema, for one test alone."""
    name = f"s3d_test_{secrets.token_hex(6)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _administer(
        postgres_url, create.format(sql.Identifier(name), sql.Identifier(template_database))
    )
    yield _at(postgres_url, name)
    # FORCE: a test that failed may have left connections behind.
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    _administer(postgres_url, drop.format(sql.Identifier(name)))


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """The URL of a database that holds nothing, for one test alone."""
    name = f"s3d_empty_{secrets.token_hex(6)}"
    _administer(postgres_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield _at(postgres_url, name)
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    _administer(postgres_url, drop.format(sql.Identifier(name)))


def _administer(url: str, statement: sql.Composed) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as conn:
        conn.execute(statement)


def _at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
