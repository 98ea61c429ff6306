"""``tl plugins install``, ``uninstall`` and ``upgrade``: with the tool that tlcore itself was installed with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tlcore_cli.command import Command
from tlcore_cli.completion import installed_plugins_of

if TYPE_CHECKING:
    from tlcore_cli.installation import Spec

_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
_ALLOW = click.option(
    "--allow-change", "free", multiple=True, metavar="NAME",
    help="Let this package change version too (tlcore, torch, torchvision, timm, numpy and onnxruntime are held).",
)  # fmt: skip

BROKEN = 1
"""The exit code where something was installed that does not load."""


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  tl plugins install tlcore-hog
  tl plugins install 'tlcore-hog>=1.2' ./tlcore_boosted-0.1.0-py3-none-any.whl
  tl plugins install --editable ./tlcore-edge-maps
  tl plugins install --dry-run tlcore-hog
""",
)
@click.argument("specs", nargs=-1, metavar="SPEC...")
@click.option("-e", "--editable", multiple=True, metavar="FOLDER", help="Use a folder in place; may be repeated.")
@_ALLOW
@_DRY_RUN
def install(specs: tuple[str, ...], editable: tuple[str, ...], free: tuple[str, ...], dry_run: bool) -> int:
    """Install plugins beside tlcore: names, names with versions, wheels or folders.

    tl finds out how tlcore was installed (pip, uv, pipx, conda) and runs that tool; where it must not act itself, it prints
    the command. Afterwards each new plugin is loaded in a process of its own, and what it offers, or why it is broken, is
    shown. The exit code is 1 where one is broken.
    """
    from tlcore_cli.installation import Spec

    asked = [*(Spec.parse(spec) for spec in specs), *(Spec.parse(folder, editable=True) for folder in editable)]
    if not asked:
        raise click.UsageError("name at least one plugin to install")
    return install_specs(asked, free=free, dry_run=dry_run)


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=installed_plugins_of)
@_ALLOW
@_DRY_RUN
def upgrade(names: tuple[str, ...], free: tuple[str, ...], dry_run: bool) -> int:
    """Upgrade plugins to their newest versions; all of them where none is named, those installed in place excepted."""
    from tlcore.plugins import normalise_distribution
    from tlcore_cli.installation import Spec
    from tlcore_cli.plugin_record import installed_distributions

    known = installed_distributions()
    chosen = [_known(normalise_distribution(name), known) for name in names] or [
        name for name, line in known.items() if "==" in line
    ]
    if not chosen:
        click.echo("no plugins are installed from packages; there is nothing to upgrade", err=True)
        return 0
    return install_specs([Spec(name, name=name) for name in chosen], free=free, dry_run=dry_run, newest=True)


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=installed_plugins_of)
@_DRY_RUN
def uninstall(names: tuple[str, ...], dry_run: bool) -> None:
    """Take plugins away. No plugin is imported for it, so that a broken one can go too."""
    from tlcore.errors import TlcoreError
    from tlcore.plugins import normalise_distribution
    from tlcore_cli.installation import Facts, Installation
    from tlcore_cli.plugin_record import installed_distributions, remember
    from tlcore_cli.resolution import run_tool

    known = installed_distributions()
    chosen = [normalise_distribution(name) for name in names]
    if "tlcore" in chosen:
        raise TlcoreError("tlcore's own plugins come with it; 'tl plugins disable NAME' switches one off")
    command = Installation.of(Facts.here()).uninstall([_known(name, known) for name in chosen])
    if dry_run:
        click.echo(shlex.join(command))
        return
    run_tool(command)
    remember()
    click.echo(f"{', '.join(chosen)}: uninstalled", err=True)


def install_specs(asked: Sequence[Spec], *, free: Sequence[str], dry_run: bool, newest: bool = False) -> int:
    """Install, or show what would change; then say what the new plugins offer. Returns the exit code."""
    import tempfile
    from pathlib import Path

    from tlcore_cli.installation import Facts, Installation
    from tlcore_cli.plugin_record import remember
    from tlcore_cli.plugins_loaded import loaded_elsewhere, tell_loaded
    from tlcore_cli.resolution import changes, run_tool, write_constraints

    installation = Installation.of(Facts.here())
    named = {spec.name for spec in asked if spec.name}
    with tempfile.TemporaryDirectory() as folder:
        constraints = write_constraints(Path(folder), {*free, *(name for name in named if name)})
        resolve = installation.dry_run(asked, constraints, upgrade=newest)
        if dry_run:
            found = changes(run_tool(resolve))
            click.echo("\n".join(map(str, found)) or "nothing would change")
            return 0
        if installation.keeps_constraints:
            run_tool(resolve)
        before = loaded_elsewhere()
        run_tool(installation.install(asked, constraints, upgrade=newest))
    remember()
    return BROKEN if tell_loaded(before, loaded_elsewhere(), named) else 0


def _known(name: str, known: dict[str, str]) -> str:
    from tlcore.errors import UnknownNameError, did_you_mean

    if name not in known:
        hint = did_you_mean(name, known) or ";"
        raise UnknownNameError(f"no plugin {name!r} is installed{hint} 'tl plugins list' shows them")
    return name
