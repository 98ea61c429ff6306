"""``tl learning-curve``."""

from __future__ import annotations

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.measuring import Measuring, measuring_options
from tlcore_cli.settings import set_option

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
@measuring_options(kept="features", plotted="Draw the curve.")
@click.pass_context
def learning_curve(
    context: click.Context,
    dataset: str,
    backbone: str | None,
    head: str,
    repeats: int,
    test: float,
    seed: int,
    measuring: Measuring,
) -> None:
    """Would more photos help? Accuracy on DATASET against photos per class, and beyond those at hand."""
    from tlcore.learning_curve import LearningCurveOptions, draw_learning_curve
    from tlcore_cli.learning_curve_summary import show_learning_curve
    from tlcore_cli.terminal import print_json

    options = LearningCurveOptions(
        backbone=backbone,
        head=head,
        dataset_options=measuring.options["dataset"],
        backbone_options=measuring.options["backbone"],
        head_options=measuring.options["head"],
        repeats=repeats,
        test=test,
        seed=seed,
        engine=measuring.engine,
        audit=measuring.audit,
        exclude=measuring.exclude,
    )
    curve = measuring.run(
        context,
        lambda registry, cache, report: draw_learning_curve(
            dataset, options, registry=registry, cache_directory=cache, progress=report
        ),
    )
    if measuring.plot is not None:
        from tlcore.learning_curve.plot import save_learning_curve_plot

        save_learning_curve_plot(curve, measuring.plot)
    if measuring.as_json:
        print_json(curve.to_dict())
    else:
        show_learning_curve(curve, settings_of(context).quiet)


learning_curve.params.insert(-4, set_option("dataset", "backbone", "head"))
