from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_shapes
from tlcore import CompareOptions, Comparison, Registry, compare
from tlcore.comparison import judge as judge_module
from tlcore.comparison.judge import Judge, JudgeSettings
from tlcore.deadline import OutOfTimeError
from tlcore.errors import DatasetError, OptionError, UnknownNameError
from tlcore.mcnemar import compare_answers
from tlcore.progress import ProgressEvent

BACKBONES = ("mini", "timm/test_resnet")
SETTINGS = JudgeSettings(folds=3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("compared") / "shapes", per_class=14)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def options(**changes: object) -> CompareOptions:
    return CompareOptions(
        **{"backbones": ("mini",), "heads": ("prototype", "knn"), "settings": SETTINGS, "audit": False, **changes}
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def compared(photos: Path, cache: Path) -> Comparison:
    return compare(str(photos), options(reference=photos / "circle"), registry=Registry(), cache_directory=cache)


def test_rows_are_ranked_and_tested_on_the_same_images(compared: Comparison, photos: Path, cache: Path) -> None:
    first, second = compared.rows
    assert first.accuracy.value >= second.accuracy.value
    assert (first.images, first.accuracy.total, first.share) == (42, 42, 1.0)
    assert first.against_best is None
    assert second.against_best is not None
    test = second.against_best
    assert test.only_first - test.only_second == first.accuracy.correct - second.accuracy.correct
    assert test.p_value == compare_answers(np.arange(42) < test.only_first, (np.arange(42) >= 42 - test.only_second)).p_value


def test_costs_are_those_of_the_backbone(compared: Comparison) -> None:
    cost = compared.rows[0].cost
    assert cost.megabytes == pytest.approx(4 * Registry().backbone("mini").info.parameters / 1e6)
    assert cost.macs is not None and 5e7 < cost.macs < 5e8
    assert cost.images_per_second > 0 and cost.milliseconds > 0


def test_the_distance_is_none_for_photos_among_the_reference(compared: Comparison, photos: Path, cache: Path) -> None:
    distance = compared.rows[0].distance
    assert distance is not None
    assert (distance.images, distance.references) == (42, 14)
    own = compare(str(photos), options(reference=photos, heads=("prototype",)), registry=Registry(), cache_directory=cache)
    assert own.rows[0].distance is not None
    assert own.rows[0].distance.farther < 0.5 < distance.farther


def test_it_is_json(compared: Comparison) -> None:
    import json

    document = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert document["rows"][document["recommended"]]["backbone"] == "mini"


def test_what_was_judged_is_not_judged_again(
    compared: Comparison, photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("was judged again")

    monkeypatch.setattr(Judge, "_cross_validate", refuse)
    again = compare(str(photos), options(), registry=Registry(), cache_directory=cache)
    assert [row.accuracy for row in again.rows] == [row.accuracy for row in compared.rows]
    assert [row.cost for row in again.rows] == [row.cost for row in compared.rows]
    with pytest.raises(AssertionError, match="was judged again"):
        compare(str(photos), options(settings=JudgeSettings(folds=4)), registry=Registry(), cache_directory=cache)


class Killed(BaseException):
    pass


def test_killed_it_goes_on_where_it_was(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    own = Judge._cross_validate

    def judge(self: Judge, candidate, *data):  # type: ignore[no-untyped-def]
        if candidate.head == "knn" and "knn" not in judged:
            judged.append("knn")
            raise Killed
        judged.append(candidate.head)
        return own(self, candidate, *data)

    monkeypatch.setattr(Judge, "_cross_validate", judge)
    with pytest.raises(Killed):
        compare(str(photos), options(), registry=Registry(), cache_directory=tmp_path)
    computed: list[ProgressEvent] = []
    found = compare(str(photos), options(), registry=Registry(), cache_directory=tmp_path, progress=computed.append)
    assert judged == ["prototype", "knn", "knn"]
    assert len(found.rows) == 2


def test_too_little_time_is_told_and_partial_results_say_so(
    compared: Comparison, photos: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionError, match=r"1e-06 minutes were too short to judge even one of 2 candidates"):
        compare(str(photos), options(minutes=1e-6), registry=Registry(), cache_directory=tmp_path)

    def no_time(*arguments: object) -> None:
        raise OutOfTimeError

    monkeypatch.setattr(Judge, "_cross_validate", no_time)
    both = options(heads=("prototype", "linear"), minutes=1.0)
    found = compare(str(photos), both, registry=Registry(), cache_directory=cache)
    assert not found.complete
    assert [row.head for row in found.rows] == ["prototype"]
    assert found.notes[-1].startswith("time was over after 1 minutes; not judged at all: mini + linear")


def test_parts_of_the_data_are_judged_without_choosing_settings(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else thinning out would cost more than judging everybody on everything."""
    asked: list[tuple[int, float]] = []
    own = judge_module.cross_validated_probabilities

    def validate(samples, *arguments, **options):  # type: ignore[no-untyped-def]
        asked.append((len(samples), options["validation"]))
        return own(samples, *arguments, **options)

    monkeypatch.setattr(judge_module, "cross_validated_probabilities", validate)
    monkeypatch.setattr("tlcore.comparison.halving.LEAST_IMAGES", 20)
    heads = ("prototype", "knn", "linear")
    found = compare(str(photos), options(heads=heads, minutes=5.0), registry=Registry(), cache_directory=tmp_path)
    assert asked == [(21, 0.0)] * 3 + [(42, 0.15)] * 2
    assert sorted(row.share for row in found.rows) == [0.5, 1.0, 1.0]


def test_limits_nobody_meets_are_told(compared: Comparison, photos: Path, cache: Path) -> None:
    from tlcore.comparison.recommendation import parse_limits

    found = compare(str(photos), options(limits=parse_limits("0.001 ms")), registry=Registry(), cache_directory=cache)
    assert found.recommended is None
    assert "is within the limits; the quickest of all, mini, takes" in found.notes[-1]


def test_an_unreadable_image_is_left_out_and_listed(photos: Path, tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "shapes", per_class=6)
    (folder / "bar" / "broken.png").write_bytes(b"not an image")
    found = compare(str(folder), options(heads=("prototype",)), registry=Registry())
    assert [entry.name for entry in found.left_out] == ["bar/broken.png"]
    assert (found.images, found.rows[0].images) == (19, 18)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"backbones": ()}, "name a backbone or more"), ({"heads": ("",)}, "name a head or more"), ({"heads": ("knn", "knn")}, "head 'knn' is named twice"), ({"minutes": 0.0}, "minutes must be above 0"), ({"settings": JudgeSettings(folds=1)}, "folds must be at least 2")],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_senseless_requests_are_told(changes: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        options(**changes)


def test_names_are_checked_before_anything_is_computed(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'linear'"):
        compare(str(photos), options(heads=("prototype", "liner")), registry=Registry(), cache_directory=tmp_path)
    assert not list(tmp_path.iterdir())
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="no images found in this folder of reference photos"):
        compare(str(photos), options(reference=empty), registry=Registry())
    with pytest.raises(DatasetError, match="is no folder of reference photos"):
        compare(str(photos), options(reference=tmp_path / "nowhere"), registry=Registry())


def test_the_picture_is_drawn(compared: Comparison, tmp_path: Path) -> None:
    from tlcore.comparison.plot import pareto_front, save_pareto_plot

    save_pareto_plot(compared, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.size[0] > 800
    assert pareto_front(compared.rows) == (0,)
