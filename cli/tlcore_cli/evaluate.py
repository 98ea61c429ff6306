"""``tl evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import ENGINES, parse_settings, set_option

EPILOG = """\b
Examples:
  tl evaluate my-classifier other-photos/
  tl evaluate my-classifier photos/ --split test --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("dataset", shell_complete=names_of("dataset"))
@click.option("--split", metavar="NAME", help="Which split to measure.  [default: test, else validation, else all]")
@click.option("--strict", is_flag=True, help="Stop at the first image that cannot be read.")
@click.option("--engine", default="auto", show_default=True, type=ENGINES, help="What runs the network.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def evaluate(
    context: click.Context,
    bundle: Path,
    dataset: str,
    split: str | None,
    strict: bool,
    engine: str,
    no_cache: bool,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Measure BUNDLE on the labelled images of DATASET.

    Images that the bundle was trained on, the same files by content, are passed over and counted. Classes are matched by
    name.
    """
    from tlcore.bundle import load_bundle
    from tlcore.evaluation import evaluate as evaluate_bundle
    from tlcore.memory import keep_freed
    from tlcore.paths import cache_directory
    from tlcore_cli.evaluation_summary import show_evaluation
    from tlcore_cli.terminal import print_json, progress

    keep_freed()
    own = settings_of(context)
    registry = own.registry()
    chosen = parse_settings(settings, ("dataset",))
    with progress(own.quiet or as_json) as report:
        evaluation = evaluate_bundle(
            load_bundle(bundle, registry),
            registry.dataset(dataset, chosen["dataset"]),
            split=split,
            strict=strict,
            engine=engine,
            cache_directory=None if no_cache else cache_directory(),
            progress=report,
        )
    if as_json:
        print_json(evaluation.to_dict())
    else:
        show_evaluation(evaluation, own.quiet)


evaluate.params.insert(-4, set_option("dataset"))
