"""The whole way: data to a fine-tuned bundle, to a file without torch; and the learning-rate finder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from tests.conftest import write_shapes
from tlcore import (
    Observer,
    ObserverSpec,
    Registry,
    TrainingEvent,
    TrainOptions,
    TrainResult,
    evaluate,
    load_bundle,
    predict,
    train,
)
from tlcore.errors import FineTuneError, HeadError
from tlcore.hookspecs import hookimpl
from tlcore.specs import NoOptions
from tlcore.training import find_learning_rate

QUICK = {"epochs": 2, "batch_size": 8, "workers": 0, "learning_rate": 0.002, "init": "zero", "normalisation": "half"}
OPTIONS = TrainOptions(
    backbone="mini", backbone_options={"image_size": 32}, finetune="full", finetune_options=QUICK, audit=False,
    observers=("json-lines", "tensorboard"),
)  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("tuned") / "shapes", 8)


@pytest.fixture(scope="module")
def result(photos: Path, registry: Registry) -> TrainResult:
    return train(str(photos), photos.parent / "bundle", OPTIONS, registry=registry)


def test_the_bundle_is_the_fine_tuned_network(result: TrainResult, registry: Registry) -> None:
    bundle = load_bundle(result.bundle.path, registry)
    pretrained = registry.backbone("mini", {"image_size": 32}).info
    assert bundle.record.backbone["weights_digest"] != pretrained.weights_digest
    assert bundle.record.backbone["origin"].startswith("fine-tuned from trained from scratch")
    assert bundle.record.preprocess == replace(pretrained.preprocess, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    tuned = bundle.record.head["finetune"]
    assert (tuned["name"], tuned["settings"]["init"], tuned["history"][-1]["epoch"]) == ("tlcore:full", "zero", 2.0)
    assert tuned["before"]["images"] == result.counts["test"]
    assert "fine-tuned (`tlcore:full`)" in (bundle.path / "README.md").read_text(encoding="utf-8")
    assert bundle.record.plugins.keys() >= {"tlcore:finetune", "tlcore:heads", "tlcore:mini"}


def test_where_no_epoch_is_better_the_head_alone_is_kept(photos: Path, tmp_path: Path, registry: Registry) -> None:
    still = {**QUICK, "learning_rate": 1e-9, "init": "probe", "normalisation": "network"}
    options = replace(OPTIONS, finetune_options=still, observers=())
    tuned = train(str(photos), tmp_path / "tuned", options, registry=registry)
    alone = train(str(photos), tmp_path / "alone", replace(options, finetune=None, finetune_options={}), registry=registry)
    assert tuned.bundle.record.head["finetune"]["best_epoch"] == 0
    assert (tuned.bundle.record.head["finetune"]["before"]["mended"], tuned.bundle.record.temperature) == (
        0,
        alone.bundle.record.temperature,
    )
    assert tuned.bundle.record.backbone == alone.bundle.record.backbone
    for ours, theirs in zip(tuned.bundle.head.linear() or (), alone.bundle.head.linear() or (), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert "found nothing better" in (tuned.bundle.path / "README.md").read_text(encoding="utf-8")
    assert any("no epoch did better on the validation images" in note for note in tuned.notes)


def test_plain_timm_reads_it_with_equal_logits(result: TrainResult) -> None:
    preprocess = result.bundle.record.preprocess
    pixels = np.random.default_rng(0).integers(0, 256, (3, *preprocess.image_size, 3), dtype=np.uint8)
    network = timm.create_model(f"local-dir:{result.bundle.path}", pretrained=True).eval()
    with torch.inference_mode():
        plain = network(torch.from_numpy(preprocess.normalise(pixels))).numpy()
    np.testing.assert_allclose(plain, result.bundle.logits(pixels), atol=1e-3)
    assert network.pretrained_cfg["mean"] == [0.5, 0.5, 0.5] or tuple(network.pretrained_cfg["mean"]) == (0.5, 0.5, 0.5)


def test_it_predicts_evaluates_and_exports_like_any_bundle(result: TrainResult, photos: Path, registry: Registry) -> None:
    from tlcore.export import ExportOptions, export_onnx

    (prediction,) = predict(result.bundle, [photos / "bar" / "000.png"])
    assert prediction.error is None
    measured = evaluate(result.bundle, registry.dataset(str(photos)))
    assert measured.metrics.top1.correct == result.metrics["test"].top1.correct
    exported = export_onnx(result.bundle, photos.parent / "tuned.onnx", ExportOptions())
    assert exported.path.is_file()


def test_the_run_folder_keeps_logs_and_no_checkpoint(result: TrainResult) -> None:
    run = result.bundle.path.with_name("bundle.run")
    assert sorted(path.name for path in run.iterdir()) == ["metrics.jsonl", "run.json", "tensorboard"]
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["finished"] is True
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events if event["event"] != "step"] == [
        "started",
        "epoch",
        "epoch",
        "epoch",
        "finished",
    ]
    assert any((run / "tensorboard").iterdir())


def test_a_finished_run_gives_way_to_the_next(result: TrainResult, photos: Path, registry: Registry) -> None:
    settings = {**QUICK, "epochs": 1}
    again = train(
        str(photos), result.bundle.path.with_name("again"),
        replace(OPTIONS, finetune_options=settings, run=result.bundle.path.with_name("again.run")), registry=registry,
    )  # fmt: skip
    assert again.bundle.record.head["finetune"]["epochs"] == 1


class Breaking(Observer):
    """Fails at the second update."""

    def observe(self, event: TrainingEvent) -> None:
        if event.step == 2:
            raise ValueError("no\nconnection")


def breaking(argument: str | None, options: NoOptions) -> Breaking:
    return Breaking()


def test_an_observer_that_fails_is_named_and_the_run_goes_on(photos: Path, tmp_path: Path) -> None:
    stranger = ModuleType("stranger")
    target = f"{__name__}:breaking"

    @hookimpl
    def tlcore_observers() -> list[ObserverSpec]:
        return [ObserverSpec(name="breaking", summary="fails", factory=target)]

    stranger.tlcore_observers = tlcore_observers  # type: ignore[attr-defined]
    options = replace(OPTIONS, observers=("json-lines", "breaking"), finetune_options={**QUICK, "epochs": 1})
    result = train(str(photos), tmp_path / "bundle", options, registry=Registry([stranger]))
    assert "observer breaking failed at step 2 and was not called again: ValueError: no connection" in result.notes
    assert (tmp_path / "bundle.run" / "metrics.jsonl").read_text(encoding="utf-8").count('"step"') > 3


def test_a_head_that_is_no_linear_layer_is_refused(photos: Path, tmp_path: Path, registry: Registry) -> None:
    with pytest.raises((HeadError, FineTuneError), match="use the head 'linear'"):
        train(str(photos), tmp_path / "bundle", replace(OPTIONS, head="prototype"), registry=registry)


def test_another_network_of_timm(photos: Path, tmp_path: Path, registry: Registry) -> None:
    options = replace(OPTIONS, backbone="timm/test_vit", backbone_options={"pretrained": False}, finetune="last-block")
    result = train(str(photos), tmp_path / "bundle", options, registry=registry)
    assert result.bundle.record.backbone["architecture"] == "test_vit"
    assert load_bundle(tmp_path / "bundle", registry).backbone.info.weights_digest


def test_learning_rate_finder(photos: Path, registry: Registry) -> None:
    options = replace(OPTIONS, finetune_options={**QUICK, "flip": 0.0, "crop": 1.0})
    found = find_learning_rate(str(photos), options, registry=registry, steps=30)
    assert 1e-5 < found.suggestion < 0.3
    assert len(found.rates) == len(found.losses) <= 30
    assert list(found.rates) == sorted(found.rates)
    assert found.picture.pixels.std() > 5
    assert Image.fromarray(found.picture.pixels).size[0] > 400


def test_a_learning_rate_without_fine_tuning_is_refused(photos: Path, registry: Registry) -> None:
    from tlcore.errors import OptionError

    with pytest.raises(OptionError, match="say how the network is trained"):
        find_learning_rate(str(photos), TrainOptions(backbone="mini"), registry=registry)
