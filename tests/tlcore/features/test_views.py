from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import UNTRAINED, draw_shape
from tests.tlcore.features.test_feature_set import INFO, KEY, Means, samples
from tlcore import Classifier, ExportOptions, Registry, TrainResult, evaluate, export_onnx, predict, train
from tlcore.cross_validation import cross_validate
from tlcore.engines import own_engine
from tlcore.errors import OptionError
from tlcore.export import graph
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.features.feature_cache import FeatureCache
from tlcore.features.feature_set import Extraction, FeatureSet
from tlcore.features.views import FLIPPED, STANDARD, View, parse_views
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.progress import silent


@pytest.fixture(scope="module")
def flipped(shapes: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(str(shapes), tmp_path_factory.mktemp("b") / "bundle", replace(UNTRAINED, views="flip"), registry=registry)


@pytest.mark.parametrize("text", ["", "flop", "crops", "crops:0", "crops:33", "crops:-1", "crops:99999999", "flip,crops:2"])
def test_other_views_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="views are 'one', 'flip' or 'crops:N' with N from 1 to 32"):
        parse_views(text)


@pytest.mark.parametrize("size", [(48, 40), (1, 1), (3000, 2), (2, 900)])
def test_views_have_the_inputs_size_and_are_the_same_each_time(size: tuple[int, int]) -> None:
    image = draw_shape("circle", 1).resize(size)
    for view in (*parse_views("crops:5").learning, FLIPPED):
        pixels = view.pixels(image, INFO.preprocess, "ab" * 32)
        assert pixels.shape == (16, 16, 3)
        assert np.array_equal(pixels, view.pixels(image, INFO.preprocess, "ab" * 32))


def test_the_mirror_image_is_that_and_crops_differ() -> None:
    image = draw_shape("circle", 1)
    shown = [view.pixels(image, INFO.preprocess, "ab" * 32) for view in (STANDARD, FLIPPED, View("crop-1"), View("crop-2"))]
    assert np.array_equal(shown[1][:, ::-1], shown[0])
    assert not np.array_equal(shown[2], shown[3])
    assert not np.array_equal(shown[2], View("crop-1").pixels(image, INFO.preprocess, "cd" * 32))


def test_each_view_is_a_row_to_learn_from_and_the_answer_is_their_mean() -> None:
    given = samples(5)
    extractor = Extractor(Means(), FeatureOptions(views="flip"), samples=given)
    found = extractor.extract(given, learning=True)
    examples = found.examples
    assert examples.features.shape == (10, 3)
    assert examples.labels.tolist() == found.labels.tolist() * 2
    assert examples.images.tolist() == [0, 1, 2, 3, 4] * 2
    np.testing.assert_allclose(found.features, (found.views[0] + found.views[1]) / 2)
    assert np.array_equal(found.select(given[2:4]).views[1], found.views[1][2:4])


def test_crops_are_learnt_from_and_not_asked() -> None:
    given = samples(5)
    extractor = Extractor(Means(), FeatureOptions(views="crops:3"), samples=given)
    found = extractor.extract(given, learning=True)
    assert found.examples.features.shape == (20, 3)
    plain = Extractor(Means(), FeatureOptions(), samples=given).extract(given)
    assert np.array_equal(found.features, plain.features)


def test_views_do_not_share_rows(tmp_path: Path) -> None:
    caches = {view: FeatureCache(tmp_path, replace(KEY, view=view.name)) for view in parse_views("crops:2").all}
    first = Extraction(own_engine(Means(), 4), caches).run(samples(5), strict=False, progress=silent, stage="")
    backbone = Means()
    caches = {view: FeatureCache(tmp_path, replace(KEY, view=view.name)) for view in parse_views("crops:2").all}
    again = Extraction(own_engine(backbone, 4), caches).run(samples(6), strict=False, progress=silent, stage="")
    assert backbone.batches == [4], "three views of one new image"
    assert all(np.array_equal(after[:5], before) for after, before in zip(again.views, first.views, strict=True))


def test_training_evaluating_predicting_and_exporting_average_over_mirror_images(
    flipped: TrainResult, shapes: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_dynamo", graph._legacy)  # quicker; the gate compares what it wrote
    assert flipped.bundle.record.backbone["views"] == "flip"
    measured = evaluate(flipped.bundle, registry.dataset(str(shapes)), split="all")
    assert measured.metrics.log_loss == pytest.approx(flipped.metrics["test"].log_loss, abs=1e-6)
    photo = sorted(shapes.rglob("*.png"))[5]
    mirrored = tmp_path / "mirrored.png"
    draw = np.asarray(flipped.bundle.record.preprocess.pixels(Image.open(photo)))
    Image.fromarray(draw[:, ::-1]).save(mirrored)
    straight = tmp_path / "straight.png"
    Image.fromarray(draw).save(straight)
    one, other = (next(iter(predict(flipped.bundle, [path]))).classes for path in (straight, mirrored))
    assert [name for name, _ in one] == [name for name, _ in other]
    np.testing.assert_allclose([p for _, p in one], [p for _, p in other], atol=1e-5)
    exported = export_onnx(flipped.bundle, tmp_path / "model.onnx", ExportOptions()).path
    pixels = draw[None]
    expected = flipped.bundle.probabilities(flipped.bundle.logits(pixels))
    np.testing.assert_allclose(Classifier(exported).run(pixels, ("probabilities",))["probabilities"], expected, atol=1e-5)


class Nearest(FittedHead):
    def __init__(self, train: HeadData) -> None:
        self._train = train

    @property
    def classes(self) -> int:
        return 2

    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        nearest = np.abs(self._train.features[None, :, 0] - features[:, None, 0]).argmin(axis=1)
        return np.eye(2, dtype=np.float32)[self._train.labels[nearest]]

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {}


class NearestExample(Head):
    """Answers with the label of the nearest row it was shown; keeps what it was shown and asked."""

    def __init__(self) -> None:
        self.shown: list[HeadData] = []

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        self.shown.append(train)
        return HeadFit(head=Nearest(train), validation_logits=None)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedHead:
        raise AssertionError("nothing is restored here")


def test_each_fold_learns_from_the_views_of_its_own_training_images_and_answers_by_the_mean() -> None:
    given = tuple(samples(12))
    own = np.arange(12, dtype=np.float32)[:, None]
    plus, minus = own + 100, own - 100
    parts = {
        name: FeatureSet(samples=given[part], digests=("",) * 6, features=own[part], views=(plus[part], minus[part]))
        for name, part in {"train": slice(0, 6), "test": slice(6, 12)}.items()
    }
    head = NearestExample()
    metrics = cross_validate(parts, head, ["even", "odd"], folds=3, validation=0.0, seed=0)
    assert np.sum(metrics.confusion) == 12
    learnt = []
    for data in head.shown:
        images = (data.features[:, 0] % 100).astype(int).tolist()
        assert images[:8] == images[8:] and len(set(images)) == 8, "eight images, each in both views"
        assert data.labels.tolist() == [image % 2 for image in images]
        assert data.images.tolist() == [*range(8)] * 2
        learnt += images[:8]
    assert sorted(learnt) == sorted([*range(12)] * 2), "each image is learnt from in two folds of three, and tested in one"


def test_folds_with_views_from_photos_to_bundle(shapes: Path, registry: Registry, tmp_path: Path) -> None:
    result = train(str(shapes), tmp_path / "bundle", replace(UNTRAINED, views="flip", folds=2), registry=registry)
    assert np.sum(result.metrics["cross-validation"].confusion) == sum(result.counts.values())
    assert result.bundle.record.backbone["views"] == "flip"
