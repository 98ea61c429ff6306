"""``tl bench``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of

EPILOG = """\b
Examples:
  tl bench model.onnx
  tl bench model.onnx --http --images photos/
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--http", "over_http", is_flag=True, help="Also measure a server of its own, over HTTP.")
@click.option("--images", type=click.Path(path_type=Path), help="A folder of photos.  [default: made-up ones, 500 x 375]")
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.1, 600), help="How long each measures.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Images at a time.  [default: the cores it may use]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def bench(
    context: click.Context,
    model: Path,
    over_http: bool,
    images: Path | None,
    seconds: float,
    concurrency: int | None,
    as_json: bool,
) -> None:
    """Measure how fast the exported MODEL answers: images per second and latency, from encoded photo to classes."""
    from tlcore.exported.benchmark import bench_classifier, bench_http, running_server, synthetic_photos
    from tlcore.exported.classifier import Classifier
    from tlcore_cli.terminal import notes, print_json, results, table

    photos = _read(images) if images is not None else synthetic_photos()
    classifier = Classifier(model)
    quiet = settings_of(context).quiet or as_json
    notes(quiet).print(f"measuring for {seconds:g} seconds{' each' if over_http else ''}", markup=False)
    found = {"in process": bench_classifier(classifier, photos, seconds=seconds, concurrency=concurrency)}
    if over_http:
        with running_server(model) as (host, port):
            found["HTTP"] = bench_http(host, port, photos, seconds=seconds, concurrency=concurrency)
    if as_json:
        print_json({name: measured.to_dict() for name, measured in found.items()})
        return
    rows = [
        (name, measured.concurrency, f"{measured.rate:.1f}", *(f"{value:.1f}" for value in measured.percentiles.values()))
        for name, measured in found.items()
    ]
    columns = ("", ">at a time", ">images/s", ">p50 ms", ">p90 ms", ">p99 ms")
    results().print(table("", columns, rows))


def _read(folder: Path) -> list[bytes]:
    from tlcore.errors import DatasetError
    from tlcore.images import IMAGE_SUFFIXES

    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)[:200]
    if not files:
        raise DatasetError(f"{folder}: no images found in this folder")
    return [file.read_bytes() for file in files]
