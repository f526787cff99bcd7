"""A PostgreSQL of the operator's own that cannot be used: one message, and no traceback."""

from pathlib import Path

import pytest

from tests.cli.stopped import copied
from tests.commands import database, run

SERVE = ("serve", "--address", "127.0.0.1:0")


@pytest.fixture
def data(tmp_path: Path, template: Path) -> Path:
    """A data directory without anything in it."""
    copied(template, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def closed_database_url(empty_database_url: str) -> str:
    """An empty database, and a role that is not its owner: it may not CREATE there."""
    separator = "&" if "?" in empty_database_url else "?"
    return f"{empty_database_url}{separator}options=-c%20role%3Dpg_monitor"


def test_a_role_that_may_not_create_tables_is_one_message_and_status_1(
    data: Path, closed_database_url: str
) -> None:
    refused = run(*SERVE, str(data), environment=database(closed_database_url))

    assert refused.returncode == 1
    assert refused.stderr == (
        "Error: PostgreSQL does not take it: permission denied for schema public\n"
    )


@pytest.mark.parametrize(
    ("url", "password"),
    [
        pytest.param("postgresql://u:top%zzsecret@host/db", "secret", id="percent sign"),
        pytest.param("postgresql://u:top@secret@host/db", "secret", id="at sign"),
        pytest.param("postgresql://u:secret/x@host/db", "secret", id="slash"),
        pytest.param("postgresql://u:12/secret@host/db", "secret", id="slash after a number"),
        pytest.param("postgresql://u:top?@secret@host/db", "secret", id="? and @"),
        pytest.param("postgresql://u:secret/db", "secret", id="no host"),
        pytest.param("postgresql://u:secret@host/db?nope=1", "secret", id="unknown parameter"),
        pytest.param("postgresql://u:secret\udcff@host/db", "secret", id="not UTF-8"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_nothing_of_it_shown(
    data: Path, url: str, password: str
) -> None:
    refused = run(*SERVE, str(data), environment=database(url))

    assert refused.returncode == 2
    assert "Invalid value for 'S3D_DATABASE_URL'" in refused.stderr
    assert password not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr
