"""Options of the command line, generated from the settings."""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from server.config import Setting, SettingError, Settings, described
from server.config_values import parse_path

Command = Callable[..., Any]

# What a command needs that looks into the metadata, beside what it does there.
DATABASE: Final = frozenset({"data", "database_url", "database_timeout_seconds"})


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A value, refused as click refuses, with status 2 and the name of what gave it.

    unit: one word for what it counts or is. parse: as in config_values.
    """

    def __init__(self, unit: str, parse: Callable[[str], Any]) -> None:
        self.name = unit
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value)
        except ValueError as error:
            raise click.BadParameter(
                str(error), ctx, param, param_hint=_variable_that_gave(param, ctx)
            ) from None

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Return the values of a repeatable setting: spaces or commas stand between them."""
        return rv.replace(",", " ").split()


class Switch(click.types.BoolParamType):
    """On or off, refused as Parsed refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            error.param_hint = _variable_that_gave(param, ctx)
            raise


class Directory(click.Path):
    """A directory that a person named; an empty word is none, and not the current one."""

    def __init__(self, *, exists: bool = False) -> None:
        super().__init__(exists=exists, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            parse_path(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


def with_settings(
    names: Collection[str] | None = None, *, data_argument: bool = False
) -> Callable[[Command], Command]:
    """Return a decorator that gives a command options and calls it with `settings` from them.

    names: of the fields of Settings; None: all of them. The others have their defaults.
    data_argument: the data directory is an argument, not an option.
    """

    def decorate(function: Command) -> Command:
        wanted = [each for each in described() if names is None or each.name in names]

        def call(**given: Any) -> Any:
            ours = {each.name: given.pop(each.name, None) for each in wanted}
            return function(settings=_settings(wanted, ours), **given)

        call.__doc__ = function.__doc__
        call.__name__ = function.__name__
        call.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
        for setting in reversed(wanted):
            if setting.name == "data" and data_argument:
                call = _data_argument(setting)(call)
            elif setting.flag:
                call = _option(setting)(call)
        return call

    return decorate


def environment_help() -> str:
    """Return the part of the help that lists what only the environment sets."""
    only = [each for each in described() if each.flag is None]
    lines = [f"  {each.environment}  {each.help} Default: {each.default}." for each in only]
    return "\b\nFrom the environment alone, never from a flag:\n" + "\n".join(lines)


def _variable_that_gave(param: click.Parameter | None, ctx: click.Context | None) -> str | None:
    """Return the environment variable that the value is from; None: click knows who gave it."""
    if param is None or ctx is None or param.name is None:
        return None
    is_from_it = ctx.get_parameter_source(param.name) is ParameterSource.ENVIRONMENT
    return f"'{param.envvar}'" if is_from_it else None


def _option(setting: Setting) -> Callable[[Command], Command]:
    text = f"{setting.help} [{setting.environment}; default: {setting.default}]"
    flag = f"--{setting.flag}/--no-{setting.flag}" if setting.is_switch else f"--{setting.flag}"
    kind = Switch() if setting.is_switch else Parsed(setting.unit, setting.parse)
    return click.option(
        flag,
        setting.name,
        default=None,
        envvar=setting.environment,
        multiple=setting.repeatable,
        metavar=None if setting.is_switch else setting.unit,
        help=text,
        type=kind,
    )


def _data_argument(setting: Setting) -> Callable[[Command], Command]:
    return click.argument(
        setting.name,
        required=False,
        type=Parsed(setting.unit, setting.parse),
        envvar=setting.environment,
        metavar="[DATA]",
    )


def _settings(wanted: Sequence[Setting], given: dict[str, Any]) -> Settings:
    by_name = {each.name: each for each in wanted}
    try:
        for setting in wanted:
            # Taken out, so that no child ever inherits a secret.
            text = os.environ.pop(setting.environment, "") if setting.flag is None else ""
            if text:
                given[setting.name] = _from_environment(setting, text)
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except SettingError as error:
        setting = by_name[error.name]
        shown = f"--{setting.flag}" if setting.flag else setting.environment
        raise click.BadParameter(error.message, param_hint=f"'{shown}'") from None


def _from_environment(setting: Setting, text: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise SettingError(setting.name, str(error)) from None
