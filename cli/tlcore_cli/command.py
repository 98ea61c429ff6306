"""How every command of `tl` is made: found lazily, with the options all of them share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tlcore.registry import Registry

COMMAND_GROUP = "tlcore.commands"
"""Entry points of this group add commands: the entry point's name is the command's, its value a `click.Command`."""


@dataclass
class Settings:
    """What the shared options set, wherever on the command line they stand."""

    quiet: bool = False
    debug: bool = False
    disabled: tuple[str, ...] = field(default=())

    def registry(self) -> Registry:
        """Return a registry of the installed plugins that are not switched off."""
        from tlcore.registry import Registry

        return Registry(disabled=self.disabled)


def settings_of(context: click.Context) -> Settings:
    """Return the settings of the running command."""
    return context.ensure_object(Settings)


def _note_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        settings_of(context).quiet = True


def _note_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        settings_of(context).debug = True


def _note_offline(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ["HF_HUB_OFFLINE"] = "1"


def _note_disabled(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    settings_of(context).disabled += value


def _shared(*names: str, **attributes: Any) -> click.Option:
    return click.Option(names, expose_value=False, is_eager=True, **attributes)


SHARED_OPTIONS: tuple[click.Parameter, ...] = (
    _shared("-q", "--quiet", is_flag=True, callback=_note_quiet, help="Show no progress and no notes."),
    _shared("--offline", is_flag=True, callback=_note_offline, help="Use no network: cached and local weights only."),
    _shared(
        "--disable-plugin",
        multiple=True,
        metavar="NAME",
        callback=_note_disabled,
        help="Do without a plugin; may be repeated.",
    ),
    _shared("--debug", is_flag=True, callback=_note_debug, help="Show where an error comes from."),
)


class Command(click.Command):
    """A command that also takes the shared options after its name."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params = [*self.params, *SHARED_OPTIONS]


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run; their help lines are declared, or come from metadata."""

    def __init__(self, *arguments: Any, commands_by_name: Mapping[str, tuple[str, str]], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._declared = dict(commands_by_name)

    def list_commands(self, context: click.Context) -> list[str]:
        """Name the built-in commands in order of use, then those of plugins."""
        return [*self._declared, *sorted(name for name in _plugin_commands() if name not in self._declared)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command; one of a plugin that cannot be imported becomes an error that names the plugin."""
        if name in self._declared:
            from tlcore.specs import import_target

            command: click.Command = import_target(self._declared[name][0])
            return command
        entry_point = _plugin_commands().get(name)
        if entry_point is None:
            return None
        label = f"{entry_point.dist.name} {entry_point.dist.version}"
        try:
            loaded = entry_point.load()
        except Exception as error:
            raise click.ClickException(f"command {name!r} of {label} is broken: {type(error).__name__}: {error}") from error
        if not isinstance(loaded, click.Command):
            raise click.ClickException(f"command {name!r} of {label} is broken: {entry_point.value} is no click command")
        return loaded

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        from tlcore.errors import did_you_mean

        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            hint = did_you_mean(name, self.list_commands(context))
            raise click.UsageError(f"there is no command {name!r}{hint}", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command list without importing any command."""
        built_in = [(name, summary) for name, (_, summary) in self._declared.items()]
        with formatter.section("Commands"):
            formatter.write_dl(built_in)
        added = [
            (name, f"from {entry_point.dist.name} {entry_point.dist.version}")
            for name, entry_point in sorted(_plugin_commands().items())
            if name not in self._declared
        ]
        if added:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(added)


def _plugin_commands() -> dict[str, Any]:
    """Return command name to entry point, from metadata alone; of two with one name, the first distribution's."""
    from importlib.metadata import entry_points

    found: dict[str, Any] = {}
    for entry_point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.dist.name if point.dist else ""):
        found.setdefault(entry_point.name, entry_point)
    return found
