"""``tl config``: defaults of your own, and where each value comes from."""

from __future__ import annotations

from typing import Any

import click

from tlcore_cli.command import SHARED_OPTIONS, Command


@click.group(
    invoke_without_command=True,
    params=list(SHARED_OPTIONS),
    epilog="""\b
Examples:
  tl config                                     what is set, and where
  tl config show train                          every option of 'tl train' with its value and source
  tl config set train.backbone timm/resnet18    a default of your own
  tl config set cache.limit "50 GB"             how large the cache grows
  TL_TRAIN_SEED=3 tl train photos               the same for one run
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """Show the configuration file and what is set in it and in the environment.

    A flag on the command line beats the environment (TL_COMMAND_OPTION), which beats the file ([defaults.COMMAND]), which
    beats what the command itself says.
    """
    if context.invoked_subcommand is None:
        _overview(as_json)


@config.command(cls=Command)
@click.argument("command_name", metavar="COMMAND")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def show(command_name: str, as_json: bool) -> None:
    """Show each option of COMMAND with the value it has where no flag is given, and where that value comes from."""
    from tlcore_cli.defaults import read_defaults, resolved
    from tlcore_cli.terminal import print_json, results, table

    rows = resolved(_command(command_name), command_name, read_defaults().get(command_name, {}))
    if as_json:
        print_json([{"option": name, "value": _plain(value), "source": source} for name, value, source in rows])
    else:
        results().print(
            table("", ("option", "value", "from"), [(name, _plain(value), source) for name, value, source in rows])
        )


@config.command("set", cls=Command)
@click.argument("name", metavar="COMMAND.OPTION")
@click.argument("value")
def set_(name: str, value: str) -> None:
    """Set the default of an option, cache.limit or cache.storage in the configuration file."""
    from tlcore.config import store_setting
    from tlcore.features.cache_settings import DEFAULTS, check_setting
    from tlcore_cli.defaults import check_default, store_default

    if name in DEFAULTS:
        check_setting(name, value)
        click.echo(f"{name} = {value!r} in {store_setting(name, value)}", err=True)
        return
    command_name, option = _split(name)
    check_default(_command(command_name), command_name, option, value)
    click.echo(f"{name} = {value!r} in {store_default(command_name, option, value)}", err=True)


@config.command(cls=Command)
@click.argument("name", metavar="COMMAND.OPTION")
def unset(name: str) -> None:
    """Take the default of an option, cache.limit or cache.storage out of the configuration file."""
    from tlcore.config import store_setting
    from tlcore.features.cache_settings import DEFAULTS
    from tlcore_cli.defaults import store_default

    if name in DEFAULTS:
        click.echo(f"{name} is not set any more in {store_setting(name, None)}", err=True)
        return
    command_name, option = _split(name)
    click.echo(f"{name} is not set any more in {store_default(command_name, option, None)}", err=True)


def _overview(as_json: bool) -> None:
    import os

    from tlcore.config import disabled_plugins
    from tlcore.features.cache_settings import DEFAULTS, setting
    from tlcore.machine.paths import cache_directory, config_file
    from tlcore_cli.defaults import ENVIRONMENT_PREFIX, read_defaults
    from tlcore_cli.terminal import print_json, results, table

    home = "environment (TLCORE_HOME)" if os.environ.get("TLCORE_HOME") else "built in"
    switched_off = "environment (TLCORE_DISABLE_PLUGINS)" if os.environ.get("TLCORE_DISABLE_PLUGINS") else "file"
    disabled = sorted(disabled_plugins())
    rows: list[tuple[str, str, str]] = [
        ("configuration file", str(config_file()), home),
        ("cache", str(cache_directory()), home),
        *((name, *setting(name)) for name in DEFAULTS),
        ("plugins switched off", ", ".join(disabled) or "none", switched_off if disabled else "built in"),
    ]
    if os.environ.get("HF_HUB_OFFLINE"):
        rows.append(("offline", os.environ["HF_HUB_OFFLINE"], "environment (HF_HUB_OFFLINE)"))
    rows += [
        (f"{name}.{option}", str(value), "file")
        for name, table_ in read_defaults().items()
        for option, value in table_.items()
    ]
    rows += [
        (name, value, "environment")
        for name, value in sorted(os.environ.items())
        if name.startswith(f"{ENVIRONMENT_PREFIX}_")
    ]
    if as_json:
        print_json([{"name": name, "value": value, "source": source} for name, value, source in rows])
    else:
        results().print(table("", ("name", "value", "from"), rows))


def _command(name: str) -> click.Command:
    from tlcore.errors import UnknownNameError, did_you_mean
    from tlcore_cli.main import tl

    context = click.Context(tl, info_name="tl")
    found = tl.get_command(context, name)
    if found is None:
        hint = did_you_mean(name, tl.list_commands(context)) or ";"
        raise UnknownNameError(f"there is no command {name!r}{hint} 'tl --help' lists them")
    return found


def _split(name: str) -> tuple[str, str]:
    from tlcore.errors import OptionError

    command, dot, option = name.partition(".")
    if not dot or not option:
        raise OptionError(f"name a default as COMMAND.OPTION, for instance 'train.backbone', got {name!r}")
    return command, option.replace("-", "_")


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
