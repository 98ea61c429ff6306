"""Defaults of options from the configuration file and the environment: ``[defaults.train] seed = 3``, ``TL_TRAIN_SEED=3``.

A flag on the command line beats the environment, which beats the file, which beats what the command itself says.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from tlcore.errors import OptionError, TlcoreError, did_you_mean

ENVIRONMENT_PREFIX = "TL"

SOURCES = {
    ParameterSource.COMMANDLINE: "command line",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
    ParameterSource.DEFAULT: "built in",
}


def read_defaults() -> dict[str, dict[str, Any]]:
    """Return command name to option name to value, as the configuration file states; empty where there is none.

    Raises:
        TlcoreError: the file cannot be read, or its ``defaults`` are no tables of values.
    """
    from tlcore.machine.paths import config_file

    path = config_file()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TlcoreError(f"{path}: not a readable TOML file: {error}; mend or remove it") from error
    defaults = document.get("defaults", {})
    if not isinstance(defaults, dict) or not all(isinstance(table, dict) for table in defaults.values()):
        raise TlcoreError(f"{path}: [defaults.COMMAND] must be tables of option = value; mend it")
    return {name: {key.replace("-", "_"): value for key, value in table.items()} for name, table in defaults.items()}


def options_of(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command that can have a default: those with a value of their own that stays."""
    return {
        option.name: option
        for option in command.params
        if isinstance(option, click.Option) and option.name and option.expose_value and not option.is_eager
    }


def check_default(command: click.Command, command_name: str, name: str, value: Any) -> None:
    """Raise `OptionError` unless a command takes this value for this option."""
    known = options_of(command)
    if name not in known:
        hint = did_you_mean(name, known) or ";"
        raise OptionError(
            f"'tl {command_name}' has no option {name!r} that can have a default{hint} it has: {', '.join(known)}"
        )
    context = click.Context(command, info_name=command_name, resilient_parsing=False)
    try:
        known[name].type_cast_value(context, value)
    except click.BadParameter as error:
        raise OptionError(f"{command_name}.{name}: {error.format_message()}") from error


def resolved(command: click.Command, command_name: str, defaults: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Return each option of a command with the value it has where no flag is given, and where that comes from."""
    prefix = f"{ENVIRONMENT_PREFIX}_{command_name.upper()}"
    context = command.make_context(
        command_name, [], default_map=dict(defaults), auto_envvar_prefix=prefix, resilient_parsing=True
    )
    found = []
    for name, option in options_of(command).items():
        source = context.get_parameter_source(name)
        told = SOURCES.get(source, "built in") if source is not None else "built in"
        if source is ParameterSource.ENVIRONMENT:
            told = f"environment ({_variable(option, prefix)})"
        found.append((name, context.params.get(name), told))
    return found


def store_default(command_name: str, name: str, value: Any) -> Path:
    """Write one default into the configuration file, or take it out where `value` is None; all else stays as it was."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from tlcore.machine.atomic import write_file
    from tlcore.machine.paths import config_file

    path = config_file()
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
        table: Any = document.setdefault("defaults", tomlkit.table(is_super_table=True))
        table = table.setdefault(command_name, tomlkit.table())
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
        write_file(path, tomlkit.dumps(document).encode())
    except (OSError, TOMLKitError, UnicodeDecodeError) as error:
        raise TlcoreError(f"{path}: cannot be written: {error}") from error
    return path


def _variable(option: click.Option, prefix: str) -> str:
    names = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    automatic = f"{prefix}_{(option.name or '').upper()}"
    return next((name for name in names if name in os.environ), automatic)
