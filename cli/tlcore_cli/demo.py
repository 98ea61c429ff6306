"""``tl demo``: the whole way in a minute, offline."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of

_BACKBONE = "mini"


@click.command(cls=Command)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("digits-demo"), show_default=True, help="Bundle's place."
)
@click.pass_context
def demo(context: click.Context, output: Path) -> None:
    """Train on the handwritten digits that come with scikit-learn, measure, save, predict.

    Nothing is downloaded: the network is the small pretrained one in the box.
    """
    from tlcore.memory import keep_freed
    from tlcore.paths import cache_directory
    from tlcore.prediction import predict
    from tlcore.training import TrainOptions, train
    from tlcore_cli.terminal import notes, progress, results, table
    from tlcore_cli.training_summary import show_training

    keep_freed()
    own = settings_of(context)
    registry = own.registry()
    options = TrainOptions(backbone=_BACKBONE)
    notes(own.quiet).print(
        f"demo: digits of 8 x 8 pixels, features of {_BACKBONE}, the network in the box, and a linear head: the same as\n"
        f"  tl train digits --backbone {_BACKBONE} --output {output}",
        markup=False,
    )
    with progress(own.quiet) as report:
        result = train("digits", output, options, registry=registry, cache_directory=cache_directory(), progress=report)
    show_training(result, own.quiet)
    test = {name for name, _ in result.bundle.split["test"][:6]}
    shown = [sample for sample in registry.dataset("digits").samples if sample.name in test]
    predictions = predict(result.bundle, [sample.image for sample in shown], top_k=2)
    rows = [
        (sample.name, result.bundle.record.classes[sample.label], *(f"{name} {100 * p:.1f} %" for name, p in found.classes))
        for sample, found in zip(shown, predictions, strict=True)
    ]
    results().print(table("\na few held-out digits", ("image", "is", "taken for", "or"), rows))
    notes(own.quiet).print("now your own photos, one folder per class:  tl train PHOTOS/", markup=False)
