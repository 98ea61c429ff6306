"""``tl lr-find``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import parse_settings, set_option

EPILOG = """\b
Examples:
  tl lr-find photos/ --backbone mini
  tl lr-find photos/ --finetune last-block -o curve.png --set finetune.optimizer=nesterov
"""


@click.command("lr-find", cls=Command, epilog=EPILOG)
@click.argument("dataset", shell_complete=names_of("dataset"))
@click.option("--backbone", metavar="NAME", shell_complete=names_of("backbone"), help="Pretrained network.")
@click.option(
    "--finetune",
    default="full",
    show_default=True,
    metavar="NAME",
    shell_complete=names_of("finetune"),
    help="How the network will be trained; 'tl finetunes' lists the ways.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where the plot goes, a PNG file.")
@click.option(
    "--steps", default=60, show_default=True, type=click.IntRange(5), help="Updates to try, each at a higher rate."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the split and the batches.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def lr_find(
    context: click.Context,
    dataset: str,
    backbone: str | None,
    finetune: str,
    output: Path | None,
    steps: int,
    seed: int,
    no_cache: bool,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Find a learning rate for fine-tuning on DATASET.

    The network is updated a few times at ever higher rates, and the loss is watched: it falls most steeply at the rate that
    is suggested. Nothing is saved but the plot.
    """
    from tlcore.machine.memory import keep_freed
    from tlcore.machine.paths import cache_directory
    from tlcore.training import TrainOptions, find_learning_rate
    from tlcore_cli.terminal import print_json, progress, results

    chosen = parse_settings(settings, ("dataset", "backbone", "head", "finetune"))
    options = TrainOptions(
        backbone=backbone,
        dataset_options=chosen["dataset"],
        backbone_options=chosen["backbone"],
        head_options=chosen["head"],
        seed=seed,
        finetune=finetune,
        finetune_options=chosen["finetune"],
    )
    keep_freed()
    own = settings_of(context)
    with progress(own.quiet or as_json) as report:
        found = find_learning_rate(
            dataset,
            options,
            registry=own.registry(),
            steps=steps,
            cache_directory=None if no_cache else cache_directory(),
            progress=report,
        )
    if output is not None:
        _save_picture(output, found.picture.pixels)
    if as_json:
        print_json({"suggestion": found.suggestion, "rates": list(found.rates), "losses": list(found.losses)})
        return
    console = results()
    console.print(f"suggested: --set finetune.learning_rate={found.suggestion:.2g}", markup=False)
    if output is not None:
        console.print(f"the curve is in {output}", markup=False)


def _save_picture(path: Path, pixels: object) -> None:
    import io

    import numpy as np
    from PIL import Image

    from tlcore.machine.atomic import write_file

    encoded = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(encoded, "PNG")
    write_file(path, encoded.getvalue())


lr_find.params.insert(-4, set_option("dataset", "backbone", "head", "finetune"))
