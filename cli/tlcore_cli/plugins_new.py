"""``tl plugins new``: the start of a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command

KINDS = ("backbone", "dataset", "head", "visualizer", "command")


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  tl plugins new edge-maps --kind backbone
  tl plugins new my-photos --kind dataset --output ~/code
""",
)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin offers.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True, help="Where to put it."
)
def new(name: str, kind: str, output: Path) -> None:
    """Write a new plugin: a distribution that works, with tests, to change into your own.

    It holds pyproject.toml, a module with the hook, a small implementation, tests by the conformance kit, a README and a
    workflow that runs the tests. Nothing is downloaded and nothing is installed.
    """
    from tlcore_cli.main import COMMANDS
    from tlcore_cli.scaffold import write_plugin

    directory = write_plugin(name, kind, output, tuple(COMMANDS))
    click.echo(str(directory))
    click.echo(f"next: tl plugins install --editable {directory} && python -m pytest {directory}", err=True)
