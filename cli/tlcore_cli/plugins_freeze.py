"""``tl plugins freeze`` and ``restore``: the installed plugins as a file."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command


@click.command(cls=Command)
def freeze() -> None:
    """Print the installed plugins with their versions and origins, one a line, for 'tl plugins restore'.

    No plugin is imported for it.
    """
    from tlcore_cli.plugin_record import installed_distributions

    for line in installed_distributions().values():
        click.echo(line)


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def restore(file: Path, dry_run: bool) -> int:
    """Install the plugins that FILE lists, as 'tl plugins freeze' wrote it; those already there as listed are kept."""
    from tlcore.errors import TlcoreError
    from tlcore_cli.installation import Spec
    from tlcore_cli.plugin_record import installed_distributions
    from tlcore_cli.plugins_install import install_specs

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TlcoreError(f"{file}: cannot be read: {error}; 'tl plugins freeze > {file}' writes it") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    present = set(installed_distributions().values())
    missing = [line for line in lines if line not in present]
    if not missing:
        click.echo(f"all {len(lines)} plugins of {file} are installed as listed", err=True)
        return 0
    asked = [
        Spec.parse(line.removeprefix("-e ").strip(), editable=True) if line.startswith("-e ") else Spec.parse(line)
        for line in missing
    ]
    return install_specs(asked, free=(), dry_run=dry_run)
