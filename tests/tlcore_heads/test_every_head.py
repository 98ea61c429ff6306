"""What holds for every head of the plugin: bad inputs, calibrated answers, restoring, exporting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import UNTRAINED
from tests.tlcore_heads.points import accuracy, digits, none_of
from tlcore import HeadData, Registry, load_bundle, train
from tlcore.errors import HeadError, OptionError
from tlcore.metrics import fit_temperature
from tlcore.training import TrainOptions
from tlcore_heads import tlcore_heads as offered

HEADS = [spec.name for spec in offered()]
QUICK: dict[str, dict[str, object]] = {
    "mlp": {"hidden": 64, "epochs": 20},
    "auto": {"candidates": ("linear", "prototype"), "folds": 2},
}


def fit(name: str, train_data: HeadData, validation: HeadData, classes: int, seed: int = 0):  # type: ignore[no-untyped-def]
    return Registry().head(name, QUICK.get(name, {})).fit(train_data, validation, classes, seed=seed)


@pytest.mark.parametrize("name", HEADS)
def test_it_reads_digits_with_calibrated_probabilities(name: str) -> None:
    validation, fresh = digits(600, 900), digits(900, 1500)
    found = fit(name, digits(0, 600), validation, 10)
    assert accuracy(found.head.logits(fresh.features), fresh) > 0.85
    assert found.validation_logits is not None
    assert 0.06 < fit_temperature(found.validation_logits, validation.labels) < 15  # well inside what is searched


@pytest.mark.parametrize("name", HEADS)
def test_a_class_of_one_image_and_a_class_without_any(name: str) -> None:
    data = digits(0, 200)
    keep = (data.labels != 3) & (data.labels != 7)
    keep[np.flatnonzero(data.labels == 3)[0]] = True
    few = HeadData(features=data.features[keep], labels=data.labels[keep])
    logits = fit(name, few, none_of(), 10).head.logits(data.features)
    assert 7 not in logits.argmax(axis=1)
    assert logits.shape == (200, 10)
    if name in ("prototype", "cosine"):
        (alone,) = np.flatnonzero(few.labels == 3)
        assert fit(name, few, none_of(), 10).head.logits(few.features[alone : alone + 1]).argmax() == 3


@pytest.mark.parametrize("name", HEADS)
def test_constant_features_give_finite_answers(name: str) -> None:
    constant = HeadData(features=np.full((12, 5), 0.1, np.float32), labels=np.arange(12) % 3)
    found = fit(name, constant, constant, 3)
    assert np.isfinite(found.head.logits(constant.features)).all()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    features = digits(0, 40).features.copy()
    features[3, 2] = value
    with pytest.raises(HeadError, match="train: features hold values that are not finite"):
        fit(name, HeadData(features=features, labels=digits(0, 40).labels), none_of(), 10)


@pytest.mark.parametrize(
    ("name", "option", "value", "told"),
    [("mlp", "dropout", "1.0", "option 'dropout' must be at most 0.95"),
     ("mlp", "hidden", "0", "option 'hidden' must be at least 1"),
     ("mlp", "epochs", "many", "option 'epochs' must be a whole number"),
     ("mlp", "weight_decay", "-1", "option 'weight_decay' must be at least 0"),
     ("knn", "neighbours", "0", "option 'neighbours' must be at least 1"),
     ("cosine", "scale", "0", "option 'scale' must be at least 0.1"),
     ("prototype", "centre", "perhaps", "option 'centre' must be true or false"),
     ("auto", "folds", "1", "option 'folds' must be at least 2"),
     ("auto", "seconds", "-1", "option 'seconds' must be at least 0"),
     ("auto", "seconds", "nan", "option 'seconds' must be a number"),
     ("auto", "candidates", "liner,knn", "there is no candidate 'liner'; did you mean 'linear'"),
     ("auto", "candidates", ",", "candidates must name a head or more")],
)  # fmt: skip
def test_options_out_of_range_are_told(name: str, option: str, value: str, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        Registry().head(name, {option: value})


@pytest.mark.parametrize("name", ["prototype", "knn", "cosine", "mlp"])
def test_another_seed_changes_only_what_is_random(name: str) -> None:
    data, probe = digits(0, 300), digits(300, 320).features
    first, second = (fit(name, data, none_of(), 10, seed).head.logits(probe) for seed in (0, 1))
    assert np.array_equal(first, second) == (name != "mlp")


@pytest.mark.parametrize("name", ["knn", "auto"])
def test_a_bundle_tells_its_head_and_exports_through_the_gate(name: str, shapes: Path, tmp_path: Path) -> None:
    from tlcore.export import ExportOptions, export_onnx

    options = TrainOptions(
        backbone=UNTRAINED.backbone,
        backbone_options=UNTRAINED.backbone_options,
        head=name,
        head_options={"candidates": "knn,prototype"} if name == "auto" else {},
        audit=False,
    )
    result = train(str(shapes), tmp_path / "bundle", options, registry=Registry())
    if name == "auto":
        assert result.notes[0].startswith(f"head auto took {result.bundle.record.head['chosen']}: ")
        assert set(result.bundle.record.head["compared"]) == {"knn", "prototype"}
    else:
        images = result.counts["train"] + result.counts["validation"]
        assert f"keeps the features of its {images} images" in result.notes[0]
        assert result.bundle.record.head["stored"]["images"] == images
    exported = export_onnx(load_bundle(tmp_path / "bundle", Registry()), tmp_path / "model.onnx", ExportOptions())
    assert exported.record.checks["gate"]["logit_error"] < 1e-4


@pytest.mark.parametrize("name", ["knn", "auto"])
def test_views_of_one_image_do_not_judge_each_other(name: str) -> None:
    """With labels of noise, a row would be foreseen by the other views of its image."""
    random = np.random.default_rng(0)
    one, labels = random.standard_normal((80, 20)).astype(np.float32), random.integers(0, 2, 80)
    views = np.concatenate([one, one + random.normal(0, 0.01, one.shape).astype(np.float32)])
    data = HeadData(features=views, labels=np.tile(labels, 2), shown=np.tile(np.arange(80), 2))
    blind = HeadData(features=views, labels=np.tile(labels, 2))
    losses = []
    for seen in (data, blind):
        options = {"candidates": ("knn",)} if name == "auto" else {"neighbours": 1}
        record = Registry().head(name, options).fit(seen, none_of(20), 2).record
        losses.append(record["compared"]["knn"]["log_loss"] if name == "auto" else record["left_out_log_loss"]["1"])
    assert losses[0] > 0.6 > losses[1]
