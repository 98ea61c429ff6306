"""``tl compare``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.measuring import Measuring, measuring_options
from tlcore_cli.settings import set_option

EPILOG = """\b
Examples:
  tl compare photos/ --backbones mobilenetv2_100,resnet18,mini
  tl compare photos/ --backbones mini,resnet18 --heads linear,cosine --plot compare.png
  tl compare photos/ --backbones mini,resnet18,vgg16 --minutes 10 --recommend "cpu 50 ms 30 MB"
  tl compare photos/ --backbones mini --reference imagenet-samples/
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("dataset", shell_complete=names_of("dataset"))
@click.option("--backbones", required=True, metavar="A,B,C", help="Networks to compare; 'tl backbones' lists them.")
@click.option("--heads", default="linear", show_default=True, metavar="X,Y", help="Tried on each; 'tl heads' lists them.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after this long; parts of the data thin the candidates out first.  [default: all of them on all images]",
)
@click.option("--recommend", metavar="LIMITS", help="What the one to take may cost: 'cpu 50 ms', '20 MB', '300 MMACs'.")
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Photos like those the networks were trained on; tells how far the data is from them.",
)
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2, 100), help="Of the cross-validation.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of folds, parts and fits.")
@measuring_options(kept="features and results", plotted="Draw accuracy against time.")
@click.pass_context
def compare(
    context: click.Context,
    dataset: str,
    backbones: str,
    heads: str,
    minutes: float | None,
    recommend: str | None,
    reference: Path | None,
    folds: int,
    seed: int,
    measuring: Measuring,
) -> None:
    """Compare networks and heads on DATASET by cross-validation, and recommend one.

    Every photo is judged by a fit that has not seen it. Features and results are kept: a comparison that was stopped goes
    on where it was, and one more network costs only itself.
    """
    from tlcore.comparison import CompareOptions
    from tlcore.comparison import compare as compare_candidates
    from tlcore.comparison.judge import JudgeSettings
    from tlcore.comparison.recommendation import Limits, parse_limits
    from tlcore_cli.comparison_summary import show_comparison
    from tlcore_cli.terminal import print_json

    options = CompareOptions(
        backbones=_names(backbones),
        heads=_names(heads),
        minutes=minutes,
        limits=parse_limits(recommend) if recommend is not None else Limits(),
        reference=reference,
        dataset_options=measuring.options["dataset"],
        settings=JudgeSettings(
            folds=folds,
            seed=seed,
            engine=measuring.engine,
            backbone_options=measuring.options["backbone"],
            head_options=measuring.options["head"],
        ),
        audit=measuring.audit,
        exclude=measuring.exclude,
    )
    found = measuring.run(
        context,
        lambda registry, cache, report: compare_candidates(
            dataset, options, registry=registry, cache_directory=cache, progress=report
        ),
    )
    if measuring.plot is not None:
        from tlcore.comparison.plot import save_pareto_plot

        save_pareto_plot(found, measuring.plot)
    if measuring.as_json:
        print_json(found.to_dict())
    else:
        show_comparison(found, settings_of(context).quiet)


compare.params.insert(-4, set_option("dataset", "backbone", "head"))


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas.

    >>> _names("mini, resnet18")
    ('mini', 'resnet18')
    """
    return tuple(name.strip() for name in text.split(","))
