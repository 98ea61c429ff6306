"""tlcore in scikit-learn's clothes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_estimator_cloneable,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_set_params,
    parametrize_with_checks,
)

from tlcore.errors import ImageError, TlcoreError
from tlcore.images import encode_png
from tlcore.sklearn import Classifier, Features

pytestmark = pytest.mark.usefixtures("unchecked_types")


@parametrize_with_checks([Classifier(options={"max_iterations": 50})])
def test_classifier_passes_check_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


def test_features_passes_the_checks_that_give_no_arrays() -> None:
    with pytest.warns(SkipTestWarning, match="Can't test estimator Features which requires input"):
        results = check_estimator(tiny(), on_fail=None, on_skip=None)
    assert {result["status"] for result in results} == {"passed"}
    for check in (check_get_params_invariance, check_set_params, check_no_attributes_set_in_init, check_estimator_cloneable):
        check("Features", tiny())


def tiny(**arguments: Any) -> Features:
    return Features("mini", **arguments)


@pytest.fixture(scope="module")
def photos() -> tuple[list[Image.Image], np.ndarray]:
    """Draw dark and light images."""
    random = np.random.default_rng(0)
    labels = np.array(["dark", "light"] * 12)
    levels = [random.integers(0, 90) if label == "dark" else random.integers(160, 250) for label in labels]
    return [Image.fromarray(np.full((40, 50, 3), level, np.uint8)) for level in levels], labels


def test_a_pipeline_learns_searches_and_is_scored(photos: Any, tmp_path: Path) -> None:
    images, labels = photos
    pipeline = make_pipeline(tiny(cache_directory=tmp_path), Classifier())
    assert cross_val_score(pipeline, images, labels, cv=2).min() > 0.9
    search = GridSearchCV(pipeline, {"classifier__options": [{"regularisation": 0.01}, {"regularisation": 1.0}]}, cv=2)
    assert search.fit(images, labels).score(images, labels) > 0.9
    assert search.predict(images[:2]).tolist() == ["dark", "light"]


def test_images_may_come_in_any_form(photos: Any, tmp_path: Path) -> None:
    image = photos[0][0]
    data = encode_png(image)
    (tmp_path / "x.png").write_bytes(data)
    forms = [image, np.asarray(image), data, tmp_path / "x.png", str(tmp_path / "x.png")]
    features = tiny().transform(forms)
    assert features.shape == (5, 768)
    assert (features == features[0]).all()


def test_estimators_pickle_and_clone(photos: Any) -> None:
    images, labels = photos
    pipeline = make_pipeline(tiny(), Classifier()).fit(images, labels)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.predict_proba(images), pipeline.predict_proba(images))
    assert clone(pipeline)["features"].backbone == "mini"


def test_feature_names_are_given(photos: Any) -> None:
    assert tiny().get_feature_names_out()[[0, -1]].tolist() == ["feature0", "feature767"]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (b"nothing", "image 0: not an image that can be read"),
        (np.zeros((3, 4), np.uint8), r"pixels must be uint8 \(height, width, 3\), got uint8 \(3, 4\)"),
        (7, "an image is a path, bytes, pixels or an image source, got int"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        tiny().transform([image])


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(TlcoreError, match=r"validation must be at least 0 and below 1, got 1\.5"):
        Classifier(validation=1.5).fit(np.eye(6), [0, 1] * 3)
