"""``tl demo``: the whole way in two minutes, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlcore_cli.command import Command, settings_of

if TYPE_CHECKING:
    from tlcore import Registry
    from tlcore.bundle import Bundle
    from tlcore.dataset import Sample

_BACKBONE = "mini"
_DIGITS_SHOWN = 6


@click.command(cls=Command)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("digits-demo"), show_default=True, help="Bundle's place."
)
@click.option(
    "--sheet", type=click.Path(path_type=Path, dir_okay=False), help="The contact sheet's place.  [default: OUTPUT.png]"
)
@click.pass_context
def demo(context: click.Context, output: Path, sheet: Path | None) -> None:
    """Train on the handwritten digits that come with scikit-learn, measure, save, predict, look in, fool.

    Nothing is downloaded: the network is the small pretrained one in the box, and the photos are those that come with
    scikit-learn and, where it is installed, scikit-image.
    """
    from tlcore.machine.memory import keep_freed
    from tlcore.machine.paths import cache_directory
    from tlcore.training import TrainOptions, train
    from tlcore_cli.demo_sheet import sample_photos, show_looks, write_sheet
    from tlcore_cli.terminal import notes, progress
    from tlcore_cli.training_summary import show_training

    keep_freed()
    own = settings_of(context)
    registry, place = own.registry(), sheet or output.with_name(f"{output.name}.png")
    notes(own.quiet).print(
        f"demo: digits of 8 x 8 pixels, features of {_BACKBONE}, the network in the box, and a linear head: the same as\n"
        f"  tl train digits --backbone {_BACKBONE} --output {output}",
        markup=False,
    )
    with progress(own.quiet) as report:
        result = train(
            "digits",
            output,
            TrainOptions(backbone=_BACKBONE),
            registry=registry,
            cache_directory=cache_directory(),
            progress=report,
        )
    show_training(result, own.quiet)
    shown = _held_out(result.bundle, registry)
    _show_digits(result.bundle, shown)
    photos = sample_photos()
    with progress(own.quiet) as report:
        missing = write_sheet(place, result.bundle, shown[0], _BACKBONE, photos, registry, report)
    show_looks(place, output, _BACKBONE, photos, missing, own.quiet)
    notes(own.quiet).print("now your own photos, one folder per class:  tl train PHOTOS/", markup=False)


def _held_out(bundle: Bundle, registry: Registry) -> list[Sample]:
    """Return a few digits that the bundle was not trained on."""
    test = {name for name, _ in bundle.split["test"][:_DIGITS_SHOWN]}
    return [sample for sample in registry.dataset("digits").samples if sample.name in test]


def _show_digits(bundle: Bundle, shown: list[Sample]) -> None:
    from tlcore.prediction import predict
    from tlcore_cli.terminal import results, table

    predictions = predict(bundle, [sample.image for sample in shown], top_k=2)
    rows = [
        (sample.name, bundle.record.classes[sample.label], *(f"{name} {100 * p:.1f} %" for name, p in found.classes))
        for sample, found in zip(shown, predictions, strict=True)
    ]
    results().print(table("\na few held-out digits", ("image", "is", "taken for", "or"), rows))
