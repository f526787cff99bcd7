"""Settings: each once, with a flag, an environment name and a message for bad values."""

import dataclasses
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from server.blobs.receiving import PIECE_BYTES
from server.cli.options import with_settings
from server.config import SettingError, Settings, described
from server.config_values import Address, parse_address


def read(*arguments: str, **environment: str) -> Settings:
    """Return the settings that a command with these arguments gets."""
    found: list[Settings] = []

    @click.command()
    @with_settings(data_argument=True)
    def command(settings: Settings) -> None:
        found.append(settings)

    done = CliRunner().invoke(command, arguments, env=environment, catch_exceptions=False)
    if done.exit_code:
        raise ValueError(done.output)
    return found[0]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("127.0.0.1:9000", Address("127.0.0.1", 9000), id="IPv4"),
        pytest.param("[::1]:9000", Address("::1", 9000), id="IPv6"),
        pytest.param("s3.example.com:0", Address("s3.example.com", 0), id="name and free port"),
    ],
)
def test_parse_address_reads(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "9000", "localhost", ":9000", "::1:9000", "[::1]", "[nope]:1", "a:65536", "a:-1", "a:1_0"],
)
def test_parse_address_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(text)


def test_defaults_are_those_of_the_issue() -> None:
    settings = read()

    assert (settings.data, settings.address) == (Path("data"), Address("127.0.0.1", 9000))
    assert (settings.region, settings.all_domains) == ("us-east-1", ("localhost",))
    assert settings.database_url is None
    assert settings.sigv2


def test_a_flag_wins_over_the_environment() -> None:
    assert read("--region", "eu-west-1", S3D_REGION="eu-north-1").region == "eu-west-1"
    assert read(S3D_REGION="eu-north-1").region == "eu-north-1"


def test_domains_are_given_one_a_flag_or_many_in_the_environment() -> None:
    assert read("--domain", "a.test", "--domain", "b.test").domains == ("a.test", "b.test")
    assert read(S3D_DOMAIN="a.test, b.test").all_domains == ("a.test", "b.test", "localhost")


def test_the_data_directory_is_an_argument_or_in_the_environment() -> None:
    assert read("/srv/s3").data == Path("/srv/s3")
    assert read(S3D_DATA="/srv/s3").data == Path("/srv/s3")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://me:a%40b%2Fc%25@db.example.com:5432/s3d", id="password"),
        pytest.param("postgresql://me:why?@db/s3d", id="password with a question mark"),
        pytest.param("postgres://me@[::1]:5432/s3d?sslmode=require", id="IPv6"),
        pytest.param("postgresql://one:5432,two:5433/s3d", id="two servers"),
        pytest.param("postgresql:///s3d?host=/run/postgresql&user=me@corp", id="socket"),
    ],
)
def test_a_database_url_is_whatever_libpq_reads(url: str) -> None:
    assert read(S3D_DATABASE_URL=url).database_url == url


def test_sigv2_can_be_turned_off() -> None:
    assert not read("--no-sigv2").sigv2
    assert not read(S3D_SIGV2="false").sigv2


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        pytest.param(["--address", "here"], "--address", id="address"),
        pytest.param(["--workers", "0"], "--workers", id="no workers"),
        pytest.param(["--workers", "1_0"], "--workers", id="underscore"),
        pytest.param(["--workers", "٣"], "--workers", id="digit that is not ASCII"),
        pytest.param(["--region", "us east"], "--region", id="space in region"),
        pytest.param(["--domain", "UPPER.test"], "--domain", id="upper-case domain"),
        pytest.param(["--database-url", "mysql://x"], "--database-url", id="other database"),
        pytest.param(["--tls-cert", "a.pem"], "--tls-key", id="certificate without key"),
        pytest.param(["--tls-key", "a.pem"], "--tls-cert", id="key without certificate"),
        pytest.param(["--log-format", "xml"], "--log-format", id="log format"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_flag(arguments: list[str], flag: str) -> None:
    with pytest.raises(ValueError, match=f"Invalid value for '{flag}'"):
        read(*arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("S3D_WORKERS", "0", id="option"),
        pytest.param("S3D_SIGV2", "maybe", id="switch"),
        pytest.param("S3D_DOMAIN", "localhost,a_b", id="one of several"),
    ],
)
def test_a_bad_value_of_the_environment_is_refused_by_the_name_of_its_variable(
    name: str, value: str
) -> None:
    with pytest.raises(ValueError, match=f"Invalid value for '{name}'"):
        read(**{name: value})


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        pytest.param({"S3D_ROOT_ACCESS_KEY": "key"}, "S3D_ROOT_SECRET_KEY", id="no secret"),
        pytest.param({"S3D_ROOT_SECRET_KEY": "12345678"}, "S3D_ROOT_ACCESS_KEY", id="no key"),
        pytest.param(
            {"S3D_ROOT_ACCESS_KEY": "key", "S3D_ROOT_SECRET_KEY": "hush"},
            "S3D_ROOT_SECRET_KEY",
            id="short secret",
        ),
        pytest.param(
            {"S3D_ROOT_ACCESS_KEY": "k", "S3D_ROOT_SECRET_KEY": "12345678"},
            "S3D_ROOT_ACCESS_KEY",
            id="short key",
        ),
    ],
)
def test_bad_root_credentials_are_refused_by_name_and_not_shown(
    environment: dict[str, str], name: str
) -> None:
    with pytest.raises(ValueError, match=f"Invalid value for '{name}'") as refused:
        read(**environment)

    assert "hush" not in str(refused.value)


def test_secrets_are_not_in_the_repr() -> None:
    settings = read(
        S3D_ROOT_ACCESS_KEY="operator",
        S3D_ROOT_SECRET_KEY="hush-hush",
        S3D_DATABASE_URL="postgresql://me:hush@db/s3d",
    )

    assert settings.root_secret_key == "hush-hush"
    assert "hush" not in repr(settings)


def test_root_credentials_have_no_flag() -> None:
    assert {each.name for each in described() if each.flag is None} == {
        "root_access_key",
        "root_secret_key",
    }


def test_every_setting_is_described_once() -> None:
    names = [each.name for each in dataclasses.fields(Settings)]

    assert [each.name for each in described()] == names
    assert len({each.environment for each in described()}) == len(names)


@pytest.mark.parametrize("setting", described(), ids=lambda each: each.name)
def test_help_of_serve_shows_every_setting_with_its_environment_name_and_default(
    setting: object,
) -> None:
    from server.cli.commands import commands

    said = " ".join(CliRunner().invoke(commands, ["serve", "--help"]).output.split())

    assert isinstance(setting, type(described()[0]))
    assert setting.environment in said
    assert setting.flag is None or setting.name == "data" or f"--{setting.flag} " in said
    assert setting.is_switch or setting.name == "data" or setting.unit in said


def test_settings_that_do_not_fit_name_the_one_to_mend() -> None:
    with pytest.raises(SettingError) as refused:
        Settings(tls_cert=Path("a.pem"))

    assert refused.value.name == "tls_key"


def test_the_largest_inline_limit_is_one_that_the_blob_store_takes() -> None:
    assert read("--inline-limit-bytes", str(PIECE_BYTES)).inline_limit_bytes == PIECE_BYTES
    with pytest.raises(ValueError, match="inline-limit-bytes"):
        read("--inline-limit-bytes", str(PIECE_BYTES + 1))
