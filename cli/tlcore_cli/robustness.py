"""``tl robustness``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import parse_settings, set_option

EPILOG = """\b
Examples:
  tl robustness my-classifier photos/ --images 50
  tl robustness my-classifier photos/ --attack apgd --epsilon 4/255 --minutes 10 --out robustness/
  tl robustness my-classifier photos/ --attack pgd --epsilon 1 --epsilon 3 --set visualizer.norm=l2
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("dataset", shell_complete=names_of("dataset"))
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    metavar="NAME",
    default=("fgsm", "pgd", "apgd"),
    show_default=True,
    help="An attack within epsilon; may be repeated.",
)
@click.option(
    "--epsilon",
    "epsilons",
    multiple=True,
    metavar="EPSILON",
    default=("1/255", "2/255", "4/255", "8/255"),
    show_default=True,
    help="How far a picture may be changed, in units of pixel values; may be repeated.",
)
@click.option("--images", default=100, show_default=True, type=click.IntRange(1), help="How many to attack at most.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop then, with the images measured so far.")
@click.option("--split", metavar="NAME", help="Which split to take.  [default: test, else validation, else all]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the images drawn and the attacks.")
@click.option(
    "-o",
    "--out",
    "output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where plot and JSON go.  [BUNDLE-robustness]",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier measure there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def robustness(
    context: click.Context,
    bundle: Path,
    dataset: str,
    attacks: tuple[str, ...],
    epsilons: tuple[str, ...],
    images: int,
    minutes: float | None,
    split: str | None,
    seed: int,
    output: Path | None,
    overwrite: bool,
    as_json: bool,
    settings: tuple[str, ...],
) -> int:
    """Measure how much of BUNDLE's accuracy on DATASET survives attacks, by how far they may change an image.

    Images that the bundle was trained on, the same files by content, are passed over. Ctrl-C ends it with what is measured
    by then, and exit code 130. The plot and the numbers, with 95 % intervals, are written to a directory.
    """
    from tlcore.bundle import load_bundle
    from tlcore.epsilon import Norm, parse_epsilon
    from tlcore.machine.memory import keep_freed
    from tlcore.robustness import RobustnessOptions, measure_robustness
    from tlcore.robustness.files import check_robustness_output, save_robustness
    from tlcore_cli.robustness_summary import show_robustness
    from tlcore_cli.terminal import print_json, progress

    own = settings_of(context)
    directory = output or Path(f"{bundle.name}-robustness")
    check_robustness_output(directory, overwrite=overwrite)
    keep_freed()
    registry = own.registry()
    chosen = parse_settings(settings, ("dataset", "visualizer"))
    norm: Norm = "l2" if chosen["visualizer"].get("norm") == "l2" else "linf"
    options = RobustnessOptions(
        attacks=attacks,
        attack_options=chosen["visualizer"],
        epsilons=tuple(sorted({parse_epsilon(epsilon, norm) for epsilon in epsilons})),
        images=images,
        split=split,
        minutes=minutes,
        seed=seed,
    )
    with progress(own.quiet or as_json) as report:
        measured = measure_robustness(
            load_bundle(bundle, registry),
            registry.dataset(dataset, chosen["dataset"]),
            options,
            registry=registry,
            progress=report,
        )
    files = save_robustness(measured, directory, overwrite=overwrite)
    if as_json:
        print_json({**measured.to_dict(), "files": [str(file) for file in files]})
    else:
        show_robustness(measured, directory, own.quiet)
    return 130 if measured.ended == "interrupted" else 0


robustness.params.insert(-4, set_option("dataset", "visualizer"))
