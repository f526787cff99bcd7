"""s3d serve as a person starts it: its messages, its files, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import psycopg
import pytest

from server.metadata.embedded import EmbeddedPostgres
from tests.processes import children_of

PROJECT = Path(__file__).parents[2]
GIVE_UP_SECONDS = 60


@dataclass
class Server:
    """A running `s3d serve`."""

    process: subprocess.Popen[bytes]
    data: Path
    output: Path
    log: Path
    endpoint: str

    def client(self, access_key: str, secret_key: str) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
        )

    def root(self) -> Any:
        """Return a client with the credentials that the first start made."""
        kept = (self.data / "root-credentials").read_text()
        return self.client(*re.findall(r"(?m)^\w+=(.+)$", kept))

    def workers(self) -> set[int]:
        return set(children_of(self.process.pid))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(GIVE_UP_SECONDS)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory that does not exist yet; no PostgreSQL is left behind."""
    data = tmp_path / "data"
    yield data
    if (data / "postgres" / "data").exists():
        with EmbeddedPostgres(data / "postgres"):
            pass


@contextmanager
def serving(data: Path, *flags: str, environment: Mapping[str, str] = {}) -> Iterator[Server]:
    log, output = data.parent / "log", data.parent / "output"
    with log.open("wb") as errors, output.open("wb") as printed:
        process = subprocess.Popen(
            command("serve", str(data), "--address", "127.0.0.1:0", "--workers", "2", *flags),
            cwd=PROJECT,
            env=clean_environment(environment),
            stdout=printed,
            stderr=errors,
        )
    try:
        found = eventually(
            lambda: (
                re.search(r"listening on (http\S+?)\"", log.read_text())
                or process.poll() is not None
            )
        )
        assert process.poll() is None, log.read_text()
        yield Server(process, data, output, log, found[1])
    finally:
        workers = children_of(process.pid)
        process.kill()
        process.wait()
        # They die of its death, a moment later, and use PostgreSQL until then.
        eventually(lambda: not any(is_running(each) for each in workers))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "server", *arguments]


def clean_environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("S3D_")}
    return {**ours, **more}


def run(*arguments: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=PROJECT,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_SECONDS,
    )


def eventually(attempt: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not (found := attempt()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_first_start_makes_root_credentials_that_work(data: Path) -> None:
    with serving(data) as server:
        assert server.root().list_buckets()["Buckets"] == []

        kept = data / "root-credentials"
        assert kept.stat().st_mode & 0o777 == 0o600


def test_the_first_start_prints_lines_to_paste_that_work(data: Path) -> None:
    """Printed where no terminal is, which may be the log of a service, they hold no secret."""
    with serving(data) as server:
        server.root().create_bucket(Bucket="made-before")
        printed = server.output.read_text()
        access_key, secret_key = re.findall(
            r"(?m)^\w+=(.+)$", (data / "root-credentials").read_text()
        )

        lines = printed.split("aws:\n")[1].split("\n\n")[0].replace("aws --endpoint", "echo --")
        pasted = subprocess.run(
            ["sh", "-c", lines + "\necho $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"],
            capture_output=True,
            text=True,
            check=True,
        )

    assert pasted.stdout.splitlines()[-1] == f"{access_key} {secret_key}"
    assert f"aws --endpoint-url {server.endpoint} s3 ls" in printed
    assert "rclone config create" in printed
    assert secret_key not in printed + server.log.read_text()


def test_a_later_start_uses_the_same_credentials_and_prints_nothing(data: Path) -> None:
    with serving(data) as server:
        kept = (data / "root-credentials").read_text()
        assert server.stop() == 0

    with serving(data) as server:
        assert server.root().list_buckets()["Buckets"] == []
        assert server.output.read_text() == ""
        assert (data / "root-credentials").read_text() == kept


def test_the_start_after_a_first_one_that_failed_prints_them(data: Path) -> None:
    away = {"S3D_DATABASE_URL": "postgresql:///x?host=/nowhere"}
    assert run("serve", str(data), "--address", "127.0.0.1:0", environment=away).returncode == 1
    assert (data / "root-credentials").exists()

    with serving(data) as server:
        assert str(data / "root-credentials") in server.output.read_text()


def test_root_credentials_of_the_environment_replace_older_ones(data: Path) -> None:
    with serving(data) as server:
        old = server.root()
        old_keys = (old._request_signer._credentials.access_key, "wrong")
        assert server.stop() == 0
    keys = {"S3D_ROOT_ACCESS_KEY": "operator", "S3D_ROOT_SECRET_KEY": "chosen-by-hand"}

    with serving(data, environment=keys) as server:
        chosen = server.client("operator", "chosen-by-hand")
        assert chosen.list_buckets()["Buckets"] == []
        with pytest.raises(botocore.exceptions.ClientError, match="InvalidAccessKeyId"):
            server.client(*old_keys).list_buckets()


def test_root_credentials_reach_no_child_by_its_environment(data: Path) -> None:
    """security.md: secrets never appear in process lists or the environment of children."""
    keys = {"S3D_ROOT_ACCESS_KEY": "operator", "S3D_ROOT_SECRET_KEY": "chosen-by-hand"}
    with serving(data, environment=keys):
        process = Path(f"/proc/{postmaster(data)}")

        assert b"chosen-by-hand" not in (process / "environ").read_bytes()
        assert b"chosen-by-hand" not in (process / "cmdline").read_bytes()


def test_sigterm_stops_the_server_and_then_postgres(data: Path) -> None:
    with serving(data) as server:
        pid = postmaster(data)

        assert server.stop() == 0

        assert '"stopping"' in server.log.read_text()
        assert not is_running(pid)
        assert "database system is shut down" in (data / "postgres" / "log").read_text()


def test_sigterm_during_the_start_leaves_nothing_running(data: Path) -> None:
    process = subprocess.Popen(
        command("serve", str(data), "--address", "127.0.0.1:0"),
        cwd=PROJECT,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: (data / "postgres" / "data" / "postmaster.pid").exists())

    process.terminate()
    process.wait(GIVE_UP_SECONDS)

    assert not (data / "postgres" / "data" / "postmaster.pid").exists()


def test_the_next_start_works_after_sigkill_of_everything(data: Path) -> None:
    with serving(data) as server:
        server.root().create_bucket(Bucket="still-there")
        for pid in (server.process.pid, *server.workers(), postmaster(data)):
            os.kill(pid, signal.SIGKILL)

        with serving(data) as again:
            [bucket] = again.root().list_buckets()["Buckets"]

    assert bucket["Name"] == "still-there"


def test_the_next_start_works_after_sigkill_of_the_manager_alone(data: Path) -> None:
    with serving(data) as server:
        server.root().create_bucket(Bucket="still-there")
        pid = postmaster(data)
        port = server.endpoint.rpartition(":")[2]
        server.process.kill()

        with serving(data, "--address", f"127.0.0.1:{port}") as again:
            [bucket] = again.root().list_buckets()["Buckets"]
            assert postmaster(data) == pid

    assert bucket["Name"] == "still-there"


def test_a_postgres_that_dies_is_started_again(data: Path) -> None:
    with serving(data) as server:
        root = server.root()
        root.create_bucket(Bucket="still-there")
        pid = postmaster(data)
        os.kill(pid, signal.SIGKILL)

        def is_another() -> bool:
            try:
                return postmaster(data) != pid
            except (FileNotFoundError, IndexError):  # it is on its way
                return False

        def answers() -> bool:
            try:
                return bool(root.list_buckets()["Buckets"])
            except botocore.exceptions.ClientError:
                return False

        # In this order: processes of the dead one answer for a moment more.
        eventually(is_another)
        assert eventually(answers)


def test_a_worker_that_is_killed_is_replaced(data: Path) -> None:
    with serving(data) as server:
        before = eventually(lambda: len(server.workers()) == 2 and server.workers())
        os.kill(min(before), signal.SIGKILL)

        assert server.root().list_buckets()["Buckets"] == []
        eventually(lambda: len(server.workers() - {min(before)}) == 2)


def test_a_second_server_on_the_same_data_is_refused(data: Path) -> None:
    with serving(data):
        refused = run("serve", str(data), "--address", "127.0.0.1:0")

    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: another s3d serves {data} already, or a restore or sweep --now is at work there\n"
    )


def test_an_address_in_use_is_one_line_and_status_1(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        refused = run("serve", str(data), "--address", address)

    assert refused.returncode == 1
    assert refused.stderr == f"Error: cannot listen on {address}: Address already in use\n"


def test_a_certificate_that_is_none_is_one_message_and_status_1(data: Path) -> None:
    not_pem = data.parent / "not.pem"
    not_pem.write_text("nothing")

    refused = run("serve", str(data), "--tls-cert", str(not_pem), "--tls-key", str(not_pem))

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: the TLS certificate {not_pem}")
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_away_is_one_message_and_status_1(data: Path) -> None:
    refused = run(
        "serve", str(data), "--address", "127.0.0.1:0",
        environment={"S3D_DATABASE_URL": "postgresql://me:hush-hush@/x?host=/nowhere"},
    )  # fmt: skip

    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: PostgreSQL cannot be used")
    assert "hush-hush" not in refused.stderr


def test_root_credentials_that_were_damaged_are_one_message_and_status_1(data: Path) -> None:
    data.mkdir()
    (data / "root-credentials").write_text("S3D_ROOT_ACCESS_KEY=only\n")

    refused = run("serve", str(data), "--address", "127.0.0.1:0")

    assert refused.returncode == 1
    assert "root-credentials does not hold one line" in refused.stderr


def test_a_key_holds_and_ends_at_once_beside_a_running_server(data: Path) -> None:
    with serving(data) as server:
        run("account", "create", "alice", "--access-key", "ALICE", "--data", str(data),
            environment={"S3D_SECRET_KEY": "secret-of-alice"})  # fmt: skip
        alice = server.client("ALICE", "secret-of-alice")
        for _ in range(8):  # both workers know the key
            assert alice.list_buckets()["Buckets"] == []

        assert run("key", "disable", "ALICE", "--data", str(data)).returncode == 0

        refused = []
        for _ in range(8):
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                alice.list_buckets()
            refused.append(caught.value.response["Error"]["Code"])
    assert refused == ["InvalidAccessKeyId"] * 8


def test_blobs_whose_directory_is_not_there_are_one_message_and_status_1(
    data: Path, database_url: str
) -> None:
    """A disk that is not mounted: a new directory in its place would hide it, and take uploads."""
    (data / "blobs").mkdir(parents=True)  # where it is to be mounted
    with psycopg.connect(database_url) as conn:
        conn.execute("INSERT INTO blob VALUES (sha256(''), 0, '')")

    refused = run(
        "serve", str(data), "--address", "127.0.0.1:0",
        environment={"S3D_DATABASE_URL": database_url},
    )  # fmt: skip

    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"Error: {data / 'blobs'} lacks 1 of 1 blobs that the database names:"
        " is it the directory of another one, or a disk not mounted?"
    )
    assert refused.stderr.count("\n") == 1
    assert list((data / "blobs").iterdir()) == []
