"""``tl learning-curve``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import parse_settings, set_option

EPILOG = """\b
Examples:
  tl learning-curve photos/ --backbone mini
  tl learning-curve photos/ --head prototype --repeats 10 --plot curve.png
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("dataset", shell_complete=names_of("dataset"))
@click.option(
    "--backbone", metavar="NAME", shell_complete=names_of("backbone"), help="Pretrained network; 'tl backbones' lists them."
)
@click.option("--head", default="linear", show_default=True, metavar="NAME", shell_complete=names_of("head"))
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(2, 100), help="Draws of each size.")
@click.option("--test", default=0.3, show_default=True, metavar="SHARE", help="Held out to measure with.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of split, draws and fits.")
@click.option("--engine", default="auto", show_default=True, help="What runs the network: auto, onnx or torch.")
@click.option("--exclude", type=click.Path(path_type=Path), metavar="FILE", help="Leave out the images this list names.")
@click.option("--root", metavar="DIR", help="Your own copy of a named dataset; short for --set dataset.root=DIR")
@click.option("--no-audit", is_flag=True, help="Do not look for copies first.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw the curve.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def learning_curve(
    context: click.Context,
    dataset: str,
    backbone: str | None,
    head: str,
    repeats: int,
    test: float,
    seed: int,
    engine: str,
    exclude: Path | None,
    root: str | None,
    no_audit: bool,
    no_cache: bool,
    plot: Path | None,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Would more photos help? Accuracy on DATASET against photos per class, and beyond those at hand."""
    from tlcore.learning_curve import LearningCurveOptions, draw_learning_curve
    from tlcore.machine.memory import keep_freed
    from tlcore.machine.paths import cache_directory
    from tlcore_cli.learning_curve_summary import show_learning_curve
    from tlcore_cli.terminal import print_json, progress

    chosen = parse_settings(settings, ("dataset", "backbone", "head"))
    if root is not None:
        chosen["dataset"].setdefault("root", root)
    options = LearningCurveOptions(
        backbone=backbone,
        head=head,
        dataset_options=chosen["dataset"],
        backbone_options=chosen["backbone"],
        head_options=chosen["head"],
        repeats=repeats,
        test=test,
        seed=seed,
        engine=engine,
        audit=not no_audit,
        exclude=exclude,
    )
    keep_freed()
    own = settings_of(context)
    with progress(own.quiet or as_json) as report:
        curve = draw_learning_curve(
            dataset,
            options,
            registry=own.registry(),
            cache_directory=None if no_cache else cache_directory(),
            progress=report,
        )
    if plot is not None:
        from tlcore.learning_curve.plot import save_learning_curve_plot

        save_learning_curve_plot(curve, plot)
    if as_json:
        print_json(curve.to_dict())
    else:
        show_learning_curve(curve, own.quiet)


learning_curve.params.insert(-4, set_option("dataset", "backbone", "head"))
