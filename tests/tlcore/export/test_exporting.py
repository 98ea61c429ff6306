"""Export proves itself: what is right is let out, what is wrong leaves no file."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tlcore import Classifier, ExportOptions, Registry, TrainResult, export_onnx, load_bundle
from tlcore.bundle import Bundle
from tlcore.errors import DatasetError, ExportError
from tlcore.export import exporting, graph, network
from tlcore.export.gate import Tolerance, prove
from tlcore.export.images import find_images
from tlcore.exported.onnx_file import OUTPUTS, read_model_file, seal


def test_the_gate_measured_next_to_nothing(exported: Path) -> None:
    record = read_model_file(exported).record
    assert record is not None
    gate = record.checks["gate"]
    assert gate["images"] == 16 and gate["pixel_levels"] == 0
    assert gate["logit_error"] <= 1e-4 and gate["feature_error"] <= 1e-4 and gate["probability_error"] <= 1e-4
    assert record.checks["exporter"] == "dynamo"


def _other_weight(made: network.ExportNetwork) -> None:
    parameter = next(iter(made.embedder.parameters()))
    parameter.data[0] += 0.5


def _other_mean(made: network.ExportNetwork) -> None:
    made.normalise.shift += 0.1


def _other_deviation(made: network.ExportNetwork) -> None:
    made.normalise.scale *= 1.05


def _swapped_classes(made: network.ExportNetwork) -> None:
    head: Any = made.head
    head.weight.data = head.weight.data.flip(0)
    head.bias.data = head.bias.data.flip(0)


def _no_temperature(made: network.ExportNetwork) -> None:
    made.temperature *= 3


@pytest.mark.parametrize(
    "spoil", [_other_weight, _other_mean, _other_deviation, _swapped_classes, _no_temperature], ids=lambda f: f.__name__
)
def test_a_wrong_network_is_not_let_out(
    trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[network.ExportNetwork], None]
) -> None:
    original = network.make_network
    bundle = _warmer(trained.bundle)

    def spoilt(bundle: Bundle, *, activation_map: bool) -> network.ExportNetwork:
        made = original(bundle, activation_map=activation_map)
        with torch.no_grad():
            spoil(made)
        return made

    monkeypatch.setattr(network, "make_network", spoilt)
    monkeypatch.setattr(graph, "_dynamo", graph._legacy)  # quicker; the gate is what is tested
    before = tmp_path / "model.onnx"
    before.write_bytes(b"earlier")
    with pytest.raises(ExportError, match=r"the exported network('s \w+ differ| names another class)|names another class"):
        export_onnx(bundle, before, ExportOptions())
    assert before.read_bytes() == b"earlier"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]


def _warmer(bundle: Bundle) -> Bundle:
    """Return the bundle with a temperature at which probabilities are not all 0 or 1."""
    return dataclasses.replace(bundle, record=dataclasses.replace(bundle.record, temperature=20.0))


def test_wrong_labels_and_wrong_preprocess_are_not_let_out(trained: TrainResult, exported: Path, tmp_path: Path) -> None:
    golden = find_images(trained.bundle, None).golden(4)
    record = read_model_file(exported).record
    assert record is not None
    prove(Classifier(exported), trained.bundle, golden, Tolerance())
    model = onnx.load_model(exported)
    model.ClearField("metadata_props")
    for change, told in (
        ({"labels": tuple(reversed(record.labels))}, "labels are not the bundle's classes in their order"),
        ({"preprocess": dataclasses.replace(record.preprocess, interpolation="nearest")}, "preprocess record is not"),
    ):
        (tmp_path / "m.onnx").write_bytes(seal(model.SerializeToString(), dataclasses.replace(record, **change)))
        with pytest.raises(ExportError, match=told):
            prove(Classifier(tmp_path / "m.onnx"), trained.bundle, golden, Tolerance())


def test_other_pixels_are_not_let_out(trained: TrainResult, exported: Path) -> None:
    golden = find_images(trained.bundle, None).golden(4)
    shifted = dataclasses.replace(golden, pixels=np.where(golden.pixels < 255, golden.pixels + 1, 254).astype(np.uint8))
    with pytest.raises(ExportError, match="pixels differ from the training pipeline's by 1 levels of 255"):
        prove(Classifier(exported), trained.bundle, shifted, Tolerance())


def test_the_legacy_exporter_takes_over(trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError("no translation for aten.something")

    monkeypatch.setattr(graph, "_dynamo", fails)
    result = export_onnx(trained.bundle, tmp_path / "m.onnx", ExportOptions())
    assert result.record.checks["exporter"] == "legacy"
    assert "RuntimeError: no translation for aten.something" in result.notes[0]
    monkeypatch.setattr(graph, "_legacy", lambda *_: fails())
    with pytest.raises(ExportError, match=r"torch cannot export this network; dynamo: RuntimeError: .*; legacy: "):
        export_onnx(trained.bundle, tmp_path / "n.onnx", ExportOptions())
    assert not (tmp_path / "n.onnx").exists()


def test_another_opset_than_asked_for_is_told(trained: TrainResult) -> None:
    made = network.make_network(trained.bundle, activation_map=True)
    with pytest.raises(ExportError, match=r"asked for ONNX opset 17, the exporter wrote .*18"):
        graph.write_graph(made, (32, 32), OUTPUTS, 17)


def test_a_fixed_batch_is_told(exported: Path) -> None:
    model = onnx.load_model(exported)
    for entry in [*model.graph.input, *model.graph.output]:
        entry.type.tensor_type.shape.dim[0].dim_value = 2
    with pytest.raises(ExportError, match="fixed the number of images of 'images' to 2"):
        graph._check(model, 20, [entry.name for entry in model.graph.output])


def test_without_its_images_it_says_how_to_name_others(
    trained: TrainResult, shapes: Path, tmp_path: Path, registry: Registry
) -> None:
    record = dataclasses.replace(trained.bundle.record, options={"dataset": str(tmp_path / "gone"), "dataset_options": {}})
    bundle = dataclasses.replace(trained.bundle, record=record)
    with pytest.raises(
        ExportError, match=r"proven on images, but they cannot be had: .*; name images with --images DATASET"
    ):
        find_images(bundle, None)
    moved = tmp_path / "moved"
    shutil.copytree(shapes, moved)
    found = find_images(bundle, str(moved))
    assert len(found.held_out) == trained.counts["test"]
    assert len(found.training) == trained.counts["train"] + trained.counts["validation"]
    (moved / "circle").rename(moved / "circles")
    with pytest.raises(DatasetError, match=r"class 'circles' is not one of the model's; did you mean 'circle'"):
        find_images(bundle, str(moved))


def test_a_head_that_makes_no_torch_module_is_told(trained: TrainResult, monkeypatch: pytest.MonkeyPatch) -> None:
    from tlcore.errors import HeadError

    monkeypatch.setattr(type(trained.bundle.head), "linear", lambda _: None)
    with pytest.raises(HeadError, match=r"FittedLinear cannot be exported: it is no linear layer and makes no torch module"):
        network.make_network(trained.bundle, activation_map=True)


def test_a_directory_as_output_is_told(trained: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"is a directory; name the file to write, for instance .*model\.onnx"):
        export_onnx(trained.bundle, tmp_path, ExportOptions())


def test_half_precision(trained: TrainResult, tmp_path: Path) -> None:
    result = export_onnx(trained.bundle, tmp_path / "half.onnx", ExportOptions(precision="float16"))
    assert result.record.precision == "float16"
    assert result.size < 0.7 * read_model_file(tmp_path / "half.onnx").graph.parameters * 4
    assert result.record.checks["gate_float16"]["logit_error"] < 2e-2


@pytest.mark.parametrize(("speedup", "let_out"), [(2.0, True), (1.0, False)], ids=["fast", "slow"])
def test_int8_is_let_out_only_where_it_pays(
    trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speedup: float, let_out: bool
) -> None:
    from tlcore.export import quantisation

    monkeypatch.setattr(quantisation, "speed_ratio", lambda *_: speedup)
    target = tmp_path / "int8.onnx"
    if let_out:
        result = export_onnx(trained.bundle, target, ExportOptions(precision="int8"))
        assert result.record.checks["int8"]["forced"] is False
        assert result.size < 0.6 * 4 * trained.bundle.backbone.info.parameters
        assert "QuantizeLinear" in read_model_file(target).graph.operations
        assert "95 % interval" in result.notes[-1]
        assert Classifier(target).run(np.zeros((3, 128, 128, 3), np.uint8))["probabilities"].shape == (3, 3)
        return
    with pytest.raises(ExportError, match=r"int8 is refused, it may lose at most 1 point .* 1\.3 times as fast .*--force"):
        export_onnx(trained.bundle, target, ExportOptions(precision="int8"))
    assert not target.exists()
    forced = export_onnx(trained.bundle, target, ExportOptions(precision="int8", force=True))
    assert forced.record.checks["int8"]["forced"] is True


def test_what_is_accepted() -> None:
    change = exporting_change(before=0.90, after=0.89, speedup=1.3)
    assert exporting.accepted(change)
    assert not exporting.accepted(dataclasses.replace(change, after=0.889))
    assert not exporting.accepted(dataclasses.replace(change, speedup=1.29))


def exporting_change(*, before: float, after: float, speedup: float) -> Any:
    from tlcore.export.quantisation import Change

    return Change(images=1000, before=before, after=after, low=-0.02, high=0.0, agreement=0.97, speedup=speedup)


def test_a_real_network_passes_the_gate(shared: Path, registry: Registry, tmp_path: Path) -> None:
    from tlcore import TrainOptions, train

    weights = shared / "weights" / "regnetx_002"
    photos = tmp_path / "photos"
    for name in ("Cat", "Dog"):
        (photos / name).mkdir(parents=True)
        for photo in sorted((shared / "datasets" / "PetImages" / name).glob("*.jpg"))[:16]:
            shutil.copy(photo, photos / name)
    bundle = train(str(photos), tmp_path / "bundle", TrainOptions(backbone=f"local-dir:{weights}"), registry=registry).bundle
    result = export_onnx(load_bundle(bundle.path, registry), tmp_path / "m.onnx", ExportOptions(golden_images=8))
    gate = result.record.checks["gate"]
    assert gate["logit_error"] < 1e-4 and gate["pixel_levels"] == 0


@pytest.mark.parametrize(("network_name", "has_map"), [("test_vit", False), ("test_efficientnet", True)])
def test_other_architectures(shapes: Path, registry: Registry, tmp_path: Path, network_name: str, has_map: bool) -> None:
    from tlcore import TrainOptions, train

    size = {} if network_name == "test_vit" else {"image_size": 32}
    options = TrainOptions(backbone=f"timm/{network_name}", backbone_options={"pretrained": False, **size})
    bundle = train(str(shapes), tmp_path / "bundle", options, registry=registry).bundle
    export_onnx(bundle, tmp_path / "m.onnx", ExportOptions(golden_images=5))
    assert ("activation_map" in Classifier(tmp_path / "m.onnx").outputs) is has_map
