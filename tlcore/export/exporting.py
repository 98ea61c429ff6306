"""From a bundle to one proven ONNX file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tlcore.bundle import Bundle
from tlcore.errors import ExportError
from tlcore.exported.onnx_file import OUTPUTS, ModelRecord, read_model_file, seal, weights_sha256
from tlcore.machine.atomic import write_file
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.version import __version__

if TYPE_CHECKING:
    import onnx

    from tlcore.export.images import LabelledImages, ProofImages
    from tlcore.export.quantisation import Change, Recipe

Precision = Literal["float32", "float16", "int8"]

LARGEST_LOSS = 0.01
"""Share of top-1 accuracy that int8 may lose."""

LEAST_SPEEDUP = 1.3
"""How many times as fast int8 must be."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How to export.

    Attributes:
        precision: ``"float32"``; ``"int8"``, measured and refused unless it pays; ``"float16"`` for accelerators.
        activation_map: whether the file also returns the class activation map, where the network has one.
        opset: of ONNX.
        images: a dataset to prove the export on; None for the one the bundle was trained on.
        golden_images: how many images prove it.
        calibration_images: how many training images int8 takes its ranges from.
        measuring_images: at most how many held-out images measure int8.
        force: keep an int8 network that is not accurate or fast enough.
    """

    precision: Precision = "float32"
    activation_map: bool = True
    opset: int = 20
    images: str | None = None
    golden_images: int = 16
    calibration_images: int = 128
    measuring_images: int = 1000
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What exporting gave.

    Attributes:
        path: the file.
        digest: its SHA-256, as it states it itself.
        size: bytes.
        record: what it says of itself.
        notes: what a person should know, one line each.
    """

    path: Path
    digest: str
    size: int
    record: ModelRecord
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "path": str(self.path),
            "digest": self.digest,
            "size": self.size,
            "record": self.record.to_dict(),
            "notes": list(self.notes),
        }


def export_onnx(bundle: Bundle, output: Path, options: ExportOptions, *, progress: Progress = silent) -> ExportResult:
    """Export a bundle as one ONNX file, and let it out only if it gives the bundle's answers.

    Args:
        bundle: what to export.
        output: the file to write; an earlier one there is replaced once the new one is proven.
        options: how.
        progress: told how far it is.

    Raises:
        ExportError: the network cannot be exported, there are no images to prove it on, it answers otherwise than the
            bundle, or int8 loses too much or gains too little; `output` is then as it was.
    """
    from tlcore.export.gate import HALF, Tolerance
    from tlcore.export.graph import write_graph
    from tlcore.export.images import find_images
    from tlcore.export.network import make_network

    if output.is_dir():
        raise ExportError(f"{output}: is a directory; name the file to write, for instance {output / 'model.onnx'}")
    images = find_images(bundle, options.images)
    golden = images.golden(options.golden_images)
    progress(ProgressEvent("exporting", 0, 3))
    network = make_network(bundle, activation_map=options.activation_map)
    outputs = OUTPUTS if network.activation_map else OUTPUTS[:3]
    written = write_graph(network, bundle.record.preprocess.image_size, outputs, options.opset)
    notes = [f"dynamo could not export this network, the legacy exporter did: {written.fallback_reason}"]
    notes = notes if written.fallback_reason else []
    progress(ProgressEvent("proving", 1, 3))
    checks: dict[str, Any] = {"exporter": written.exporter}
    model = written.model
    checks["gate"] = _prove(model, bundle, golden, Tolerance(), "float32")
    if options.precision == "float16":
        model = _half(model)
        checks["gate_float16"] = _prove(model, bundle, golden, HALF, "float16")
    elif options.precision == "int8":
        model, found = _quantised(model, bundle, images, options, progress)
        checks["int8"] = found
        notes.append(str(found["summary"]))
    record = make_record(bundle, model.SerializeToString(), options.precision, checks)
    progress(ProgressEvent("writing", 2, 3))
    try:
        write_file(output, seal(model.SerializeToString(), record))
    except OSError as error:
        raise ExportError(f"{output}: cannot be written: {error.strerror or error}; nothing was changed") from error
    file = read_model_file(output)
    progress(ProgressEvent("writing", 3, 3))
    assert file.record is not None
    return ExportResult(path=output, digest=file.digest, size=file.size, record=file.record, notes=tuple(notes))


def make_record(bundle: Bundle, network: bytes, precision: str, checks: Mapping[str, Any]) -> ModelRecord:
    """Return what the exported file is to say of itself."""
    record = bundle.record
    document = json.loads((bundle.path / "tlcore.json").read_text(encoding="utf-8"))
    return ModelRecord(
        labels=record.classes,
        preprocess=record.preprocess,
        temperature=record.temperature,
        precision=precision,
        licence=str(record.backbone.get("licence", "")),
        weights_sha256=weights_sha256(network),
        provenance={
            "bundle_digest": document.get("digest", ""),
            "backbone": {
                name: _public(value) for name, value in record.backbone.items() if name not in ("loader", "options")
            },
            "head": {"name": record.head["name"], "options": record.head["options"]},
            "dataset": {name: _public(record.dataset[name]) for name in ("name", "digest", "licence", "citation", "counts")},
            "top1": {split: measured["top1"] for split, measured in record.metrics.items()},
            "seed": record.seed,
            "versions": dict(record.versions),
        },
        checks=checks,
        tlcore_version=__version__,
    )


def _public(value: Any) -> Any:
    """Return a value of the record without the folders of the machine it was made on: the last part of a path.

    >>> _public("local-dir:/home/someone/weights/resnet18")
    'local-dir:resnet18'
    """
    if not isinstance(value, str):
        return value
    before, colon, after = value.partition(":")
    kept, path = (before + colon, after) if colon and Path(after).is_absolute() else ("", value)
    return f"{kept}{Path(path).name}" if Path(path).is_absolute() else value


def _prove(
    model: onnx.ModelProto, bundle: Bundle, golden: LabelledImages, tolerance: Any, precision: str
) -> Mapping[str, Any]:
    """Write the network to a temporary file, open it as a user would, and compare it with the bundle."""
    from tlcore.export.gate import prove
    from tlcore.exported.classifier import Classifier

    data = model.SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, "candidate.onnx")
        candidate.write_bytes(seal(data, make_record(bundle, data, precision, {})))
        return prove(Classifier(candidate), bundle, golden, tolerance)


def _half(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from tlcore.exported.runtime import import_onnxruntime

    import_onnxruntime()
    converted: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True, op_block_list=["Softmax"])
    return converted


def _quantised(
    model: onnx.ModelProto, bundle: Bundle, images: ProofImages, options: ExportOptions, progress: Progress
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Try recipes until one is accurate and fast enough; with `force`, keep the most accurate of them."""
    from tlcore.export.quantisation import RECIPES, quantise

    calibration = images.calibration(options.calibration_images)
    measuring = images.measuring(options.measuring_images)
    tried: list[tuple[Recipe, Change, onnx.ModelProto]] = []
    for done, recipe in enumerate(RECIPES):
        progress(ProgressEvent(f"int8, {recipe.name}", done, len(RECIPES)))
        candidate = quantise(model, calibration.pixels, recipe)
        change = _measure(model, candidate, measuring)
        tried.append((recipe, change, candidate))
        if accepted(change):
            break
    recipe, change, candidate = tried[-1] if accepted(tried[-1][1]) else max(tried, key=lambda entry: entry[1].after)
    if not accepted(change) and not options.force:
        told = "; ".join(f"{entry[0].name}: {entry[1]}" for entry in tried)
        raise ExportError(
            f"int8 is refused, it may lose at most {100 * LARGEST_LOSS:.0f} point of top-1 and must be {LEAST_SPEEDUP} "
            f"times as fast ({told}); export without --int8, or keep it anyway with --force"
        )
    return candidate, {"recipe": recipe.name, **change.to_dict(), "summary": str(change), "forced": not accepted(change)}


def accepted(change: Change) -> bool:
    """Tell whether int8 lost little enough and gained enough speed to be let out."""
    return change.before - change.after <= LARGEST_LOSS + 1e-9 and change.speedup >= LEAST_SPEEDUP


def _measure(before: onnx.ModelProto, after: onnx.ModelProto, measuring: LabelledImages) -> Change:
    from tlcore.export.quantisation import compare, speed_ratio
    from tlcore.exported.runtime import open_session

    sessions = [open_session(model.SerializeToString(), threads=1) for model in (before, after)]
    named = []
    for session in sessions:
        classes: list[int] = []
        for start in range(0, len(measuring), 16):
            logits = session.run(["logits"], {"images": measuring.pixels[start : start + 16]})[0]
            classes += logits.argmax(axis=1).tolist()
        named.append(classes)
    ratio = speed_ratio(sessions[0], sessions[1], measuring.pixels)
    return compare(named[0], named[1], measuring.labels.tolist(), ratio)
