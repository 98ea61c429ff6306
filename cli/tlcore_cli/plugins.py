"""``tl plugins``: what is installed and how it fares; switching plugins off and on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tlcore_cli.command import SHARED_OPTIONS, Command, Settings, settings_of
from tlcore_cli.completion import installed_plugins_of
from tlcore_cli.plugins_check import check
from tlcore_cli.plugins_freeze import freeze, restore
from tlcore_cli.plugins_install import install, uninstall, upgrade
from tlcore_cli.plugins_new import new

if TYPE_CHECKING:
    from tlcore.plugins import Plugin


@click.group(invoke_without_command=True, params=[*SHARED_OPTIONS])
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """Load every installed plugin and show what each offers, its status, and what is wrong with it.

    A plugin is named by its distribution, its entry point, or 'distribution:entry-point'. A broken one takes nothing else
    down; 'tl plugins disable NAME' switches it off before it is imported.
    """
    if context.invoked_subcommand is None:
        settings = settings_of(context)
        _show(settings.registry().plugins, as_json, settings)


for command in (install, uninstall, upgrade, freeze, restore, check, new):
    plugins.add_command(command)


@plugins.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List installed plugins from their metadata, importing none."""
    from tlcore.config import disabled_plugins
    from tlcore.plugins import installed_plugins

    settings = settings_of(context)
    _show(installed_plugins({*settings.disabled, *disabled_plugins()}), as_json, settings)


@plugins.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=installed_plugins_of)
@click.pass_context
def disable(context: click.Context, names: tuple[str, ...]) -> None:
    """Switch plugins off: they are never imported until 'tl plugins enable'."""
    _switch(context, names, enabled=False)


@plugins.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=installed_plugins_of)
@click.pass_context
def enable(context: click.Context, names: tuple[str, ...]) -> None:
    """Switch plugins on again."""
    _switch(context, names, enabled=True)


def _switch(context: click.Context, names: tuple[str, ...], *, enabled: bool) -> None:
    from tlcore.config import disabled_plugins, switch_plugins
    from tlcore.errors import UnknownNameError, did_you_mean
    from tlcore.plugins import installed_plugins

    known = installed_plugins()
    for name in names:
        listed = enabled and name in disabled_plugins()
        if not listed and not any(plugin.is_called(name) for plugin in known):
            spellings = [text for plugin in known for text in (plugin.distribution, plugin.entry_point, plugin.key)]
            hint = did_you_mean(name, spellings) or ";"
            raise UnknownNameError(f"no plugin {name!r} is installed{hint} 'tl plugins list' shows them")
    path = switch_plugins(names, enabled=enabled)
    click.echo(f"{', '.join(names)}: switched {'on' if enabled else 'off'} in {path}", err=True)


def _show(found: tuple[Plugin, ...], as_json: bool, settings: Settings) -> None:
    from tlcore_cli.terminal import print_json, results, table

    if as_json:
        print_json([_plugin_dict(plugin) for plugin in found])
        return
    rows = [
        (
            f"{plugin.distribution} {plugin.version}",
            plugin.entry_point,
            plugin.status,
            "; ".join(f"{kind}s: {', '.join(spec.name for spec in specs)}" for kind, specs in plugin.offers.items()) or "-",
            "-" if plugin.api_version is None else plugin.api_version,
            "-" if plugin.import_milliseconds is None else f"{plugin.import_milliseconds:.1f}",
        )
        for plugin in found
    ]
    console = results()
    console.print(table("", ("distribution", "entry point", "status", "offers", ">API", ">import ms"), rows))
    for plugin in found:
        for note in plugin.notes:
            console.print(f"note: {plugin.label} {note}", markup=False)
        for error in plugin.errors:
            console.print(f"{plugin.status}: {plugin.label}: {error}", markup=False)
            if settings.debug and plugin.cause is not None:
                import traceback

                console.print("".join(traceback.format_exception(plugin.cause)), markup=False)


def _plugin_dict(plugin: Plugin) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.entry_point,
        "module": plugin.module,
        "status": plugin.status,
        "errors": list(plugin.errors),
        "notes": list(plugin.notes),
        "offers": {kind: [spec.name for spec in specs] for kind, specs in plugin.offers.items()},
        "api_version": plugin.api_version,
        "import_milliseconds": plugin.import_milliseconds,
    }
