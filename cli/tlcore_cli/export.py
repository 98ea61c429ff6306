"""``tl export``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of

EPILOG = """\b
Examples:
  tl export my-classifier -o model.onnx
  tl export my-classifier -o small.onnx --int8
  tl predict model.onnx photo.jpg
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("model.onnx"),
    show_default=True,
    help="The file to write.",
)
@click.option("--int8", "precision", flag_value="int8", help="Quantise; refused unless accurate and faster.")
@click.option("--fp16", "precision", flag_value="float16", help="Half precision, for accelerators that want it.")
@click.option("--force", is_flag=True, help="Keep an int8 file that loses too much or gains too little.")
@click.option("--images", metavar="DATASET", help="Prove on these labelled images.  [default: what it was trained on]")
@click.option("--opset", default=20, show_default=True, type=click.IntRange(18, 30), help="ONNX operator set to write.")
@click.option("--no-activation-map", is_flag=True, help="Leave the class activation map out of the file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def export(
    context: click.Context,
    bundle: Path,
    output: Path,
    precision: str | None,
    force: bool,
    images: str | None,
    opset: int,
    no_activation_map: bool,
    as_json: bool,
) -> None:
    """Export BUNDLE as one ONNX file that runs without torch.

    The file is written only if it gives the bundle's answers on real images: equal pixels, logits within 1e-4, the same
    class. It carries its labels, preprocessing, licence, provenance and a digest over all of it.
    """
    from tlcore.bundle import load_bundle
    from tlcore.export import ExportOptions, export_onnx
    from tlcore_cli.inspect import show_record
    from tlcore_cli.terminal import notes, print_json, progress

    own = settings_of(context)
    options = ExportOptions(
        precision=precision or "float32",  # type: ignore[arg-type]
        activation_map=not no_activation_map,
        opset=opset,
        images=images,
        force=force,
    )
    with progress(own.quiet or as_json) as report:
        result = export_onnx(load_bundle(bundle, own.registry()), output, options, progress=report)
    if as_json:
        print_json(result.to_dict())
        return
    show_record(result.record, str(result.path), result.size, result.digest)
    for note in result.notes:
        notes(own.quiet).print(note, markup=False)
    notes(own.quiet).print(f"try it: tl predict {result.path} PHOTO, or tl serve {result.path}", markup=False)
