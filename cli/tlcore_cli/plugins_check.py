"""``tl plugins check``: does an installed plugin keep its contract?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import installed_plugins_of
from tlcore_cli.settings import parse_settings, set_option

if TYPE_CHECKING:
    from tlcore.testing import CheckResult

KINDS = ("backbone", "dataset", "head", "visualizer", "finetune", "observer")

FAILED = 1
"""The exit code where a check fails."""


@click.command(
    cls=Command,
    params=[set_option(*KINDS)],
    epilog="""\b
Examples:
  tl plugins check my-plugin
  tl plugins check timm --with timm/test_resnet --set backbone.pretrained=false
  tl plugins check tlcore:datasets --with folder:photos --json
""",
)
@click.argument("name", shell_complete=installed_plugins_of)
@click.option(
    "--with", "arguments", multiple=True, metavar="NAME:ARGUMENT", help="What to check of a spec that takes an argument."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def check(context: click.Context, name: str, arguments: tuple[str, ...], settings: tuple[str, ...], as_json: bool) -> int:
    """Run the conformance kit on an installed plugin and everything it offers.

    NAME is an entry point, a distribution, or 'distribution:entry-point'. These are the checks that 'tlcore.testing' ships
    for a plugin's own test suite. The exit code is 0 where all pass and 1 where one fails.
    """
    from tlcore.testing.checking import check_plugin
    from tlcore_cli.terminal import print_json

    results = []
    for result in check_plugin(name, arguments, parse_settings(settings, KINDS)):
        results.append(result)
        if not as_json:
            _show(result, settings_of(context).quiet)
    counts = Counter(result.outcome for result in results)
    if as_json:
        print_json([result.to_dict() for result in results])
    else:
        click.echo(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return FAILED if counts["failed"] else 0


def _show(result: CheckResult, quiet: bool) -> None:
    if result.outcome == "passed" and quiet:
        return
    told = f": {result.message}" if result.message else ""
    click.echo(f"{result.outcome:8}{result.subject}  {result.check.replace('_', ' ')}{told}")
