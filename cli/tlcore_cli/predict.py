"""``tl predict``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlcore_cli.command import Command, settings_of

if TYPE_CHECKING:
    from tlcore.prediction import Prediction

EPILOG = """\b
Examples:
  tl predict my-classifier photo.jpg
  tl predict model.onnx photo.jpg
  tl predict my-classifier photos/ 'more/*.png' --top 3 --csv
  find . -name '*.jpg' | tl predict my-classifier - --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="How many classes to show of each image.")
@click.option("--json", "layout", flag_value="json", help="One JSON object per line on stdout.")
@click.option("--csv", "layout", flag_value="csv", help="Comma-separated values on stdout.")
@click.option(
    "--preprocess",
    "preprocess_file",
    type=click.Path(path_type=Path),
    help="For an ONNX file tlcore did not write: a JSON file with its preprocess record.",
)
@click.option("--strict", is_flag=True, help="Stop at the first image that cannot be read.")
@click.pass_context
def predict(
    context: click.Context,
    model: Path,
    images: tuple[str, ...],
    top: int,
    layout: str | None,
    preprocess_file: Path | None,
    strict: bool,
) -> int:
    """Say what MODEL, a bundle or an exported ONNX file, sees in each IMAGE.

    An IMAGE is a file, a folder (searched for images), a pattern, or '-' for a list of paths on stdin, one a line. Images
    that cannot be read are listed and left out; the exit code is 2 if none could be read.
    """
    from tlcore_cli.image_paths import expand_images
    from tlcore_cli.terminal import progress

    own = settings_of(context)
    paths = list(expand_images(images))
    with progress(own.quiet or layout is not None) as report:
        if model.suffix.lower() == ".onnx" or preprocess_file is not None:
            from tlcore.exported.classifier import Classifier
            from tlcore_cli.preprocess_file import read_preprocess

            classifier = Classifier(model, preprocess=read_preprocess(preprocess_file))
            found = classifier.predict(paths, top_k=top, strict=strict)
        else:
            from tlcore.bundle import load_bundle
            from tlcore.prediction import predict as predict_images

            found = predict_images(load_bundle(model, own.registry()), paths, top_k=top, strict=strict)
        predictions = _counted(found, len(paths), report)
        if layout is None:
            predictions = iter(list(predictions))
        return _WRITERS[layout](predictions, top)


def _counted(predictions: Iterable[Prediction], total: int, report: object) -> Iterator[Prediction]:
    from tlcore.progress import ProgressEvent

    for done, prediction in enumerate(predictions, 1):
        yield prediction
        report(ProgressEvent("predicting", done, total))  # type: ignore[operator]


def _write_json(predictions: Iterator[Prediction], top: int) -> int:
    readable = 0
    for prediction in predictions:
        readable += prediction.error is None
        sys.stdout.write(json.dumps(prediction.to_dict(), ensure_ascii=False) + "\n")
    return 0 if readable else 2


def _write_csv(predictions: Iterator[Prediction], top: int) -> int:
    readable = 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        ["image", *(f"{what}_{rank}" for rank in range(1, top + 1) for what in ("class", "probability")), "error"]
    )
    for prediction in predictions:
        readable += prediction.error is None
        cells: list[object] = [cell for name, probability in prediction.classes for cell in (name, f"{probability:.6f}")]
        writer.writerow([prediction.name, *cells, *[""] * (2 * top - len(cells)), prediction.error or ""])
    return 0 if readable else 2


def _write_table(predictions: Iterator[Prediction], top: int) -> int:
    from tlcore.dataset import LeftOut
    from tlcore_cli.terminal import results, table, tell_left_out

    found: Sequence[Prediction] = list(predictions)
    rows = [(entry.name, _likeliest(entry)) for entry in found if entry.error is None]
    if rows:
        results().print(table("", ("image", "likeliest"), rows))
    tell_left_out([LeftOut(entry.name, entry.error) for entry in found if entry.error is not None], quiet=False)
    return 0 if rows else 2


def _likeliest(prediction: Prediction) -> str:
    return "   ".join(f"{name} {100 * probability:.1f} %" for name, probability in prediction.classes)


_WRITERS = {None: _write_table, "json": _write_json, "csv": _write_csv}
