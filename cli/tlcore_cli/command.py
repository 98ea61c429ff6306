"""How every command of `tl` is made: found lazily, with the options all of them share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from tlcore_cli.added_commands import added_commands

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from tlcore.registry import Registry


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
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def _note_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        settings_of(context).debug = True


def _note_offline(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ["HF_HUB_OFFLINE"] = "1"


def _note_disabled(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    settings = settings_of(context)
    settings.disabled += value
    if value:  # for every registry of this process, an added command's own too
        listed = os.environ.get("TLCORE_DISABLE_PLUGINS", "").split(",")
        os.environ["TLCORE_DISABLE_PLUGINS"] = ",".join(dict.fromkeys([*filter(None, listed), *value]))


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
        return [*self._declared, *sorted(name for name in added_commands() if name not in self._declared)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command; one of a plugin that cannot be imported becomes an error that names the plugin."""
        from tlcore.specs import import_target

        if name in self._declared:
            command: click.Command = import_target(self._declared[name][0])
            return command
        declared = added_commands().get(name, [])
        if not declared:
            return None
        if len(declared) > 1:
            both = " and ".join(command.label for command in declared)
            raise click.ClickException(f"command {name!r} is added by {both}; uninstall one of them")
        try:
            loaded = import_target(declared[0].target)
        except (Exception, SystemExit) as error:  # the plugin boundary
            told = f"{type(error).__name__}: {error}"
            raise click.ClickException(f"command {name!r} of {declared[0].label} is broken: {told}") from error
        if not isinstance(loaded, click.Command):
            raise click.ClickException(f"command {name!r} of {declared[0].label} is broken: it is no click command")
        return loaded

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        from tlcore.errors import did_you_mean

        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            hint = did_you_mean(name, self.list_commands(context))
            raise click.UsageError(f"there is no command {name!r}{hint}", context)
        return super().resolve_command(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing any command."""
        from click.shell_completion import CompletionItem

        told = {name: summary for name, (_, summary) in self._declared.items()}
        names = [name for name in self.list_commands(context) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, context, incomplete)
        return [*(CompletionItem(name, help=told.get(name)) for name in names), *options]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command list without importing any command."""
        built_in = [(name, summary) for name, (_, summary) in self._declared.items()]
        with formatter.section("Commands"):
            formatter.write_dl(built_in)
        added = [
            (name, f"from {' and '.join(command.label for command in commands)}")
            for name, commands in sorted(added_commands().items())
            if name not in self._declared
        ]
        if added:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(added)
