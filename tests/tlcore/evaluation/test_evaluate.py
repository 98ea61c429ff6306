"""Whole evaluations: of a bundle and of an ONNX file on photos of shapes, and of made answers where a case needs them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import draw_shape
from tests.tlcore.evaluation.made import MadeModel, made_dataset
from tlcore import Classifier, Preprocess, Registry, TrainResult, evaluate
from tlcore.dataset import Dataset
from tlcore.errors import DatasetError, OptionError, TlcoreError
from tlcore.evaluation import EvaluateOptions, Evaluation
from tlcore.evaluation.bundle_model import BundleModel
from tlcore.evaluation.onnx_model import OnnxModel
from tlcore.evaluation.run import evaluate_model
from tlcore.progress import silent

QUICK = EvaluateOptions(resamples=100, label_errors="no")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Dataset:
    """Shapes nobody was trained on."""
    root = tmp_path_factory.mktemp("others")
    for shape in ("bar", "circle", "square"):
        (root / shape).mkdir()
        for index in range(100, 110):
            draw_shape(shape, index).save(root / shape / f"{index}.png")
    return registry.dataset(str(root))


def made(
    labels: Sequence[int],
    logits: np.ndarray,
    classes: Sequence[str] = ("a", "b"),
    known: Sequence[str] = ("a", "b"),
    options: EvaluateOptions = QUICK,
    features: np.ndarray | None = None,
    metadata: Sequence[tuple[tuple[str, str], ...]] | None = None,
) -> Evaluation:
    """Evaluate made answers."""
    names = [f"{index}.png" for index in range(len(labels))]
    model = MadeModel(
        known,
        dict(zip(names, logits, strict=True)),
        dict(zip(names, features, strict=True)) if features is not None else None,
    )
    return evaluate_model(
        model, made_dataset(classes, labels, metadata), split=None, settings=options, reference=None, strict=False,
        cache_directory=None, progress=silent,
    )  # fmt: skip


def test_a_bundle_and_its_onnx_file_are_worth_the_same(
    trained: TrainResult, exported: Path, others: Dataset, shapes: Path, registry: Registry
) -> None:
    reference = registry.dataset(str(shapes))
    options = EvaluateOptions(resamples=100, test_time="flip")
    bundle = evaluate(trained.bundle, others, options=options, reference=reference)
    onnx = evaluate(Classifier(exported), others, options=options, reference=reference)
    np.testing.assert_allclose(onnx.predictions.probabilities, bundle.predictions.probabilities, atol=1e-4)
    assert onnx.metrics.top1 == bundle.metrics.top1 and onnx.metrics.top1.value > 0.6
    assert bundle.novelty is not None and onnx.novelty is not None
    np.testing.assert_allclose(onnx.novelty.scores[:5], bundle.novelty.scores[:5], atol=0.2)
    assert bundle.test_time is not None and bundle.test_time.views == 2
    assert "does not say which images it was trained on" in onnx.notes[0] and not bundle.notes[:1]
    assert onnx.label_errors.judged == 30
    document = json.loads(json.dumps(onnx.to_dict(), allow_nan=False))
    assert len(document["predictions"]) == 30 and document["model"]["kind"] == "ONNX"


def test_activation_maps_of_a_bundle_and_its_onnx_file_agree(trained: TrainResult, exported: Path) -> None:
    models = (BundleModel(trained.bundle, "torch"), OnnxModel(Classifier(exported), Registry()))
    side = models[0].facts.preprocess.image_size[0]
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    bundle, onnx = (model.activation_maps(pixels) for model in models)
    assert bundle is not None and onnx is not None and bundle.shape[0] == 2
    np.testing.assert_allclose(onnx, bundle, atol=1e-3 * float(np.abs(bundle).max()))


def test_onnx_features_are_kept_between_runs(exported: Path, others: Dataset, tmp_path: Path) -> None:
    first = evaluate(Classifier(exported), others, options=QUICK, cache_directory=tmp_path)
    kept = [(path.name, path.stat().st_size) for path in sorted(tmp_path.rglob("*.rows"))]
    again = evaluate(Classifier(exported), others, options=QUICK, cache_directory=tmp_path)
    assert kept and kept == [(path.name, path.stat().st_size) for path in sorted(tmp_path.rglob("*.rows"))]
    np.testing.assert_array_equal(first.predictions.probabilities, again.predictions.probabilities)


def test_an_onnx_file_of_other_origin_is_evaluated_by_numbered_classes(plain_onnx: Path, others: Dataset) -> None:
    classifier = Classifier(plain_onnx, preprocess=Preprocess(image_size=(8, 8)))
    options = EvaluateOptions(class_map={"bar": "0", "circle": "1", "square": "3"}, resamples=100)
    evaluation = evaluate(classifier, others, options=options)
    assert evaluation.images == 30 and evaluation.match.absent == ("2",)
    assert evaluation.novelty_missing == evaluation.label_errors.missing == "the model gives no features"


def test_a_bundles_training_features_come_from_the_cache(
    shapes: Path, others: Dataset, registry: Registry, tmp_path: Path
) -> None:
    from tests.conftest import UNTRAINED
    from tlcore import train

    bundle = train(str(shapes), tmp_path / "b", UNTRAINED, registry=registry, cache_directory=tmp_path / "cache").bundle
    told = evaluate(bundle, others, options=QUICK, cache_directory=tmp_path / "cache").novelty
    assert told is not None and told.reference == 24 and not told.held_out
    missing = evaluate(bundle, others, options=QUICK)
    assert missing.novelty is None and "--reference TRAINING-DATA" in missing.novelty_missing


def test_classes_it_cannot_know_count_as_wrong_and_are_named() -> None:
    logits = np.array([[3, 0], [0, 3], [3, 0], [0, 3]])
    evaluation = made((0, 1, 2, 2), logits, classes=("a", "b", "zebra"))
    assert evaluation.metrics.top1.correct == 2 and evaluation.metrics.top1.total == 4
    assert evaluation.quality.balanced_accuracy.value == pytest.approx(2 / 3)
    assert evaluation.quality.log_loss is not None and evaluation.quality.log_loss.value == pytest.approx(0.0486, abs=1e-4)
    assert evaluation.notes[0].startswith("the model cannot know zebra: 2 images of them count as wrong")
    options = EvaluateOptions(resamples=100, unknown_classes="leave-out")
    left_out = made((0, 1, 2, 2), logits, classes=("a", "b", "zebra"), options=options)
    assert (left_out.images, left_out.unmeasured, left_out.metrics.top1.correct) == (2, 2, 2)
    assert "2 images of them are left out" in left_out.notes[0]


def test_only_unknown_classes_leave_nothing_to_measure(trained: TrainResult, others: Dataset) -> None:
    with pytest.raises(DatasetError, match="none of its classes"):
        evaluate(trained.bundle, made_dataset(("x", "y"), (0, 1)))


def test_one_image_is_measured_with_what_can_be_said_of_it() -> None:
    evaluation = made((1,), np.array([[0.0, 2.0]]))
    assert (evaluation.metrics.top1.correct, evaluation.metrics.top1.total) == (1, 1)
    assert evaluation.metrics.top1.low == pytest.approx(0.2065, abs=1e-4)
    assert evaluation.quality.macro_f1.low is None
    assert "need images of two classes" in evaluation.curves.missing
    assert any("only 1 images were measured" in note for note in evaluation.notes)
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_classes_without_images_are_left_out_of_the_means() -> None:
    evaluation = made((0, 0, 1), np.eye(3)[[0, 0, 1]] * 4, classes=("a", "b"), known=("a", "b", "c"))
    assert evaluation.quality.balanced_accuracy.value == evaluation.quality.macro_f1.value == 1.0
    assert evaluation.quality.classes[2].recall is None and evaluation.quality.classes[2].f1 is None
    assert any("no images of c" in note for note in evaluation.notes)


def test_scores_that_are_not_finite_are_refused() -> None:
    with (
        pytest.raises(TlcoreError, match=r"1.png: the model gives no finite number for a class"),
        np.errstate(invalid="ignore"),
    ):
        made((0, 1), np.array([[1.0, 0.0], [np.nan, 0.0]]))


def test_slices_find_the_bad_camera_and_bin_numbers() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    bad = np.arange(200) % 4 == 0
    logits = np.eye(2)[np.where(bad, 1 - labels, labels)] * 3
    metadata = [
        (("camera", "old" if bad[index] else "new"), ("year", str(1900 + index)), ("note", f"n{index}"))
        for index in range(200)
    ]
    evaluation = made(labels.tolist(), logits, metadata=metadata)
    worst = evaluation.slices[0]
    assert (worst.column, worst.value, worst.top1.correct, worst.top1.total) == ("camera", "old", 0, 50)
    assert worst.p_value is not None and worst.p_value < 1e-20
    years = [entry for entry in evaluation.slices if entry.column == "year"]
    assert [entry.top1.total for entry in years] == [50] * 4 and all(entry.p_value == 1.0 for entry in years)
    assert not [entry for entry in evaluation.slices if entry.column == "note"]
    asked = made(labels.tolist(), logits, metadata=metadata, options=EvaluateOptions(resamples=100, slices=("note",)))
    assert len(asked.slices) == 200
    with pytest.raises(
        DatasetError, match=r"no metadata column 'camra'; did you mean 'camera'\? it has: camera, year, note"
    ):
        made(labels.tolist(), logits, metadata=metadata, options=EvaluateOptions(resamples=100, slices=("camra",)))


def test_columns_of_a_table_become_slices(trained: TrainResult, tmp_path: Path, registry: Registry) -> None:
    rows = ["path,label,camera"]
    for index, shape in enumerate(("bar", "circle", "square") * 3):
        draw_shape(shape, 500 + index).save(tmp_path / f"{index}.png")
        rows.append(f"{index}.png,{shape},{'old' if index < 4 else ''}")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    evaluation = evaluate(trained.bundle, registry.dataset(f"csv:{tmp_path / 't.csv'}"), options=QUICK)
    assert {(entry.column, entry.value, entry.top1.total) for entry in evaluation.slices} == {
        ("camera", "old", 4),
        ("camera", "(empty)", 5),
    }


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"false_alarm_rate": 1.0}, "false-alarm rate must lie between 0 and 1"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"resamples": 5}, "resamples must be at least 100"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        EvaluateOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("how", "views"), [("flip", 2), ("crops", 10)])
def test_views_average_the_logits_of_flips_and_crops(how: str, views: int, trained: TrainResult, others: Dataset) -> None:
    from tlcore.evaluation.views import ViewAverage
    from tlcore.images import decode_image

    model = BundleModel(trained.bundle, "torch")
    average = ViewAverage(model, how)  # type: ignore[arg-type]
    image = decode_image(others.samples[0].image.read())
    pixels = average.preprocess.pixels(image)[np.newaxis]
    side = model.facts.preprocess.image_size[0]
    down = pixels.shape[1] - side
    starts = [(0, 0), (0, down), (down, 0), (down, down), (down // 2, down // 2)] if how == "crops" else [(0, 0)]
    crops = [pixels[:, top : top + side, left : left + side] for top, left in starts]
    logits = [model.logits(np.ascontiguousarray(view)) for crop in crops for view in (crop, crop[:, :, ::-1])]
    assert len(logits) == views == average.views
    np.testing.assert_allclose(average.logits(pixels), np.mean(logits, axis=0), atol=1e-5)
