"""``tl inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlcore_cli.command import Command

if TYPE_CHECKING:
    from tlcore.exported.onnx_file import ModelFile, ModelRecord

_SHOWN_LABELS = 20


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def inspect(model: Path, as_json: bool) -> None:
    """Tell everything the ONNX file MODEL says of itself, after verifying its digest; any ONNX file will do."""
    from tlcore.exported.onnx_file import read_model_file
    from tlcore_cli.terminal import print_json, results

    file = read_model_file(model)
    if as_json:
        print_json(_as_dict(file))
        return
    console = results()
    if file.record is None:
        console.print(f"{file.path}: an ONNX file without tlcore's record; SHA-256 {file.digest}", markup=False)
    else:
        show_record(file.record, str(file.path), file.size, file.digest)
    graph = file.graph
    console.print(f"graph       opset {graph.opset}, {graph.parameters:,} parameters, {file.size:,} bytes", markup=False)
    for what, entries in (("input", graph.inputs), ("output", graph.outputs)):
        for entry in entries:
            shape = ", ".join(map(str, entry.shape))
            console.print(f"{what:<11} {entry.name}: {entry.dtype} ({shape})", markup=False)
    operations = ", ".join(f"{count} {name}" for name, count in graph.operations.items())
    console.print(f"operations  {operations}", markup=False)


def show_record(record: ModelRecord, path: str, size: int, digest: str) -> None:
    """Print what a model file says of itself."""
    from tlcore_cli.terminal import results

    labels = ", ".join(record.labels[:_SHOWN_LABELS])
    more = f" and {len(record.labels) - _SHOWN_LABELS} more" if len(record.labels) > _SHOWN_LABELS else ""
    preprocess = record.preprocess
    provenance = record.provenance
    backbone, dataset = provenance.get("backbone", {}), provenance.get("dataset", {})
    rows = [
        ("file", f"{path}, {size / 1e6:.1f} MB, {record.precision}, tlcore {record.tlcore_version}"),
        ("digest", f"{digest} (verified)"),
        ("labels", f"{len(record.labels)}: {labels}{more}"),
        (
            "images",
            f"{preprocess.image_size[0]} x {preprocess.image_size[1]}, {preprocess.resize} side, "
            f"crop {preprocess.crop_fraction:g}, {preprocess.interpolation}",
        ),
        ("backbone", f"{backbone.get('name', '')}; licence: {record.licence or 'not stated'}"),
        ("trained on", f"{dataset.get('name', '')}; licence: {dataset.get('licence') or 'not stated'}"),
        ("accuracy", _accuracy(provenance.get("top1", {}))),
        ("checks", json.dumps(record.checks, ensure_ascii=False)),
    ]
    for name, value in rows:
        results().print(f"{name:<11} {value}", markup=False)


def _accuracy(top1: Any) -> str:
    told = [
        f"{split} {100 * share['value']:.1f} % [{100 * share['low']:.1f}, {100 * share['high']:.1f}]"
        for split, share in top1.items()
    ]
    return ", ".join(told) or "not measured"


def _as_dict(file: ModelFile) -> dict[str, Any]:
    graph = file.graph
    return {
        "path": str(file.path),
        "size": file.size,
        "digest": file.digest,
        "record": file.record.to_dict() if file.record else None,
        "graph": {
            "opset": graph.opset,
            "producer": graph.producer,
            "parameters": graph.parameters,
            "operations": dict(graph.operations),
            **{
                what: [{"name": entry.name, "dtype": entry.dtype, "shape": list(entry.shape)} for entry in entries]
                for what, entries in (("inputs", graph.inputs), ("outputs", graph.outputs))
            },
        },
        "metadata": dict(graph.metadata) if file.record is None else {},
    }
