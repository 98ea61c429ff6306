from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import write_shapes
from tlcore import LearningCurve, LearningCurveOptions, Registry, draw_learning_curve
from tlcore.errors import DatasetError, OptionError


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> LearningCurve:
    photos = write_shapes(tmp_path_factory.mktemp("curve") / "shapes", per_class=24)
    options = LearningCurveOptions(backbone="mini", head="prototype", repeats=3, audit=False)
    return draw_learning_curve(str(photos), options, registry=Registry())


def test_sizes_double_up_to_all_images(curve: LearningCurve) -> None:
    assert [point.images for point in curve.points] == [6, 13, 26, 51]
    assert curve.points[-1].per_class == pytest.approx(17)
    assert curve.test_images == 21
    assert curve.points[-1].accuracy == curve.accuracy.value
    assert all(point.lowest <= point.accuracy <= point.highest for point in curve.points)
    assert curve.points[0].accuracy <= curve.points[-1].accuracy


def test_it_foretells_twice_and_four_times_the_images_and_answers(curve: LearningCurve) -> None:
    twice, four_times = curve.extrapolation.forecasts
    assert (twice.per_class, four_times.per_class) == (34, 68)
    assert twice.low <= twice.accuracy <= twice.high
    assert curve.extrapolation.answer.startswith(("Yes", "Hardly", "Probably"))
    assert json.loads(json.dumps(curve.to_dict(), allow_nan=False))["extrapolation"]["answer"] == curve.extrapolation.answer


def test_the_picture_is_drawn(curve: LearningCurve, tmp_path: Path) -> None:
    from tlcore.errors import TlcoreError
    from tlcore.learning_curve.plot import save_learning_curve_plot

    save_learning_curve_plot(curve, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as image:
        assert image.size[0] > 800
    with pytest.raises(TlcoreError, match="the plot cannot be written"):
        save_learning_curve_plot(curve, tmp_path / "curve.png" / "inside-a-file.png")


def test_too_few_images_are_told(tmp_path: Path) -> None:
    photos = write_shapes(tmp_path / "shapes", per_class=8)
    with pytest.raises(DatasetError, match="18 images of 3 classes to learn from are too few for a learning curve"):
        draw_learning_curve(str(photos), LearningCurveOptions(backbone="mini", audit=False), registry=Registry())


@pytest.mark.parametrize(
    ("changes", "told"), [({"repeats": 1}, "repeats must be at least 2"), ({"test": 0.0}, "share held out for testing")]
)
def test_senseless_requests_are_told(changes: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        LearningCurveOptions(**changes)  # type: ignore[arg-type]
