"""s3d account and s3d key, in a database of their own and beside a running server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.metadata.embedded import EmbeddedPostgres
from tests.cli.stopped import with_database

PROJECT = Path(__file__).parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("S3D_")}
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=PROJECT,
        env={**ours, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def s3d(database_url: str) -> Command:
    """Runs a command on the database of the test."""
    return lambda *arguments: run(*arguments, S3D_DATABASE_URL=database_url)


def listed(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def revision(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT revision FROM settings_revision").fetchone()
    assert row
    return int(row[0])


def test_create_prints_the_new_key(s3d: Command) -> None:
    [made] = listed(s3d("account", "create", "alice", "--email", "alice@example.com", "--json"))

    assert re.fullmatch(r"[A-Z0-9]{20}", made["access_key"])
    assert re.fullmatch(r"[A-Za-z0-9]{40}", made["secret_key"])
    assert re.fullmatch(r"[0-9a-f]{64}", made["canonical_id"])
    assert (made["account"], made["email"]) == ("alice", "alice@example.com")


def test_create_takes_what_is_given(s3d: Command) -> None:
    canonical_id = "0123456789abcdef" * 4
    chosen = ["--canonical-id", canonical_id, "--access-key", "MYKEY", "--secret-key", "my/secret+"]

    [made] = listed(s3d("account", "create", "bob", *chosen, "--json"))

    assert made["canonical_id"] == canonical_id
    assert (made["access_key"], made["secret_key"]) == ("MYKEY", "my/secret+")


def test_list_shows_every_account_and_no_secret(s3d: Command) -> None:
    s3d("account", "create", "bob")
    [alice] = listed(s3d("account", "create", "alice", "--json"))

    shown = listed(s3d("account", "list", "--json"))

    assert [each["account"] for each in shown] == ["alice", "bob"]
    assert re.fullmatch(r"[0-9]{12}", shown[0]["account_id"])
    assert shown[0]["account_id"] == alice["account_id"] != shown[1]["account_id"]
    assert alice["secret_key"] not in str(shown)


@pytest.mark.parametrize(
    ("second", "taken"),
    [
        pytest.param(["alice"], "name", id="name"),
        pytest.param(["bob", "--email", "a@b.c"], "email", id="email"),
        pytest.param(["bob", "--canonical-id", "a" * 64], "canonical id", id="canonical id"),
    ],
)
def test_create_says_what_another_account_has(s3d: Command, second: list[str], taken: str) -> None:
    s3d("account", "create", "alice", "--email", "a@b.c", "--canonical-id", "a" * 64)

    refused = s3d("account", "create", *second)

    assert (refused.returncode, refused.stderr) == (1, f"Error: another account has this {taken}\n")


def test_create_with_a_key_in_use_creates_nothing(s3d: Command) -> None:
    key = ["--access-key", "MYKEY", "--secret-key", "my/secret+"]
    s3d("account", "create", "alice", *key)

    refused = s3d("account", "create", "bob", *key)

    assert (refused.returncode, refused.stderr) == (1, "Error: the access key MYKEY is in use\n")
    assert [each["account"] for each in listed(s3d("account", "list", "--json"))] == ["alice"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(["--canonical-id", "abc"], "--canonical-id", id="short canonical id"),
        pytest.param(["--email", "nobody"], "--email", id="no address"),
        pytest.param(["--access-key", "MYKEY"], "--secret-key", id="key without its secret"),
        pytest.param(["--secret-key", "12345678"], "--access-key", id="secret without its key"),
        pytest.param(
            ["--access-key", "a/b", "--secret-key", "12345678"], "--access-key", id="slash"
        ),
        pytest.param(
            ["--access-key", "MYKEY", "--secret-key", "short"], "--secret-key", id="short"
        ),
    ],
)
def test_create_refuses_bad_values_by_the_name_of_the_flag(flags: list[str], said: str) -> None:
    refused = run("account", "create", "alice", *flags)

    assert refused.returncode == 2
    assert f"Invalid value for '{said}'" in refused.stderr


def test_remove_takes_the_keys_with_the_account(s3d: Command) -> None:
    [made] = listed(s3d("account", "create", "alice", "--json"))

    assert s3d("account", "remove", "alice").returncode == 0

    assert listed(s3d("account", "list", "--json")) == []
    refused = s3d("key", "disable", made["access_key"])
    assert refused.stderr == f"Error: there is no access key {made['access_key']}\n"


def test_remove_is_refused_while_the_account_owns_a_bucket(s3d: Command, database_url: str) -> None:
    s3d("account", "create", "alice")
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "INSERT INTO bucket (name, account_id, region)"
            " SELECT 'photos', id, 'us-east-1' FROM account"
        )

    refused = s3d("account", "remove", "alice")

    assert refused.returncode == 1
    assert refused.stderr == "Error: the account alice owns buckets; delete them first\n"
    assert len(listed(s3d("account", "list", "--json"))) == 1


def test_keys_are_created_listed_disabled_enabled_and_removed(s3d: Command) -> None:
    [account] = listed(s3d("account", "create", "alice", "--json"))
    [made] = listed(s3d("key", "create", "alice", "--json"))
    first, second = account["access_key"], made["access_key"]

    s3d("key", "disable", first)
    disabled = listed(s3d("key", "list", "alice", "--json"))
    s3d("key", "enable", first)
    s3d("key", "remove", second)
    removed = listed(s3d("key", "list", "alice", "--json"))

    assert {each["access_key"]: each["active"] for each in disabled} == {first: False, second: True}
    assert removed == [{"access_key": first, "active": True}]
    assert made["secret_key"] not in str(disabled)


@pytest.mark.parametrize("change", ["disable", "enable", "remove"])
def test_every_change_of_a_key_moves_the_settings_revision(
    s3d: Command, database_url: str, change: str
) -> None:
    """Workers cache keys, and learn from the revision that theirs is stale."""
    [made] = listed(s3d("account", "create", "alice", "--json"))
    before = revision(database_url)

    s3d("key", change, made["access_key"])

    assert revision(database_url) == before + 1


def test_the_secret_may_come_from_the_environment(database_url: str) -> None:
    made = run(
        "account", "create", "alice", "--access-key", "MYKEY", "--json",
        S3D_DATABASE_URL=database_url, S3D_SECRET_KEY="from-the-environment",
    )  # fmt: skip

    assert listed(made)[0]["secret_key"] == "from-the-environment"


def test_unknown_names_are_one_message_and_status_1(s3d: Command) -> None:
    refused = s3d("key", "list", "nobody")

    assert (refused.returncode, refused.stderr) == (1, "Error: there is no account nobody\n")


def test_a_data_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    refused = run("account", "list", "--data", str(tmp_path / "typo"))

    assert refused.returncode == 1
    assert refused.stderr == f"Error: there is no data directory {tmp_path / 'typo'}\n"
    assert not (tmp_path / "typo").exists()


async def test_commands_work_on_a_stopped_server_two_at_once(tmp_path: Path) -> None:
    await with_database(tmp_path)

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "server", "account", "create", name, "--data", str(tmp_path)],
            cwd=PROJECT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    said = [each.communicate()[1] for each in (start("alice"), start("bob"))]

    names = [
        each["account"]
        for each in listed(run("account", "list", "--json", "--data", str(tmp_path)))
    ]
    assert said == ["", ""]
    assert names == ["alice", "bob"]
    assert not (tmp_path / "postgres" / "data" / "postmaster.pid").exists()


async def test_commands_work_beside_a_user_of_the_same_data(tmp_path: Path) -> None:
    await with_database(tmp_path)
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        made = run("account", "create", "alice", "--data", str(tmp_path))

        assert made.returncode == 0, made.stderr
        with psycopg.connect(postgres.url) as conn:
            assert conn.execute("SELECT name FROM account").fetchone() == ("alice",)
