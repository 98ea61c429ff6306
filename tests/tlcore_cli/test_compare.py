from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.conftest import write_shapes

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("cli") / "shapes", per_class=20)


def test_compare_prints_a_table_and_a_recommendation_and_draws(run_tl: Run, photos: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    done = run_tl("compare", str(photos), "--backbones", "mini", "--heads", "prototype,knn", "--folds", "3", "--plot", str(plot))  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "60 images, 3 classes, 3-fold cross-validation" in lines[0]
    assert lines[1].split()[:4] == ["backbone", "head", "accuracy", "[95"]
    assert "recommended: mini + " in done.stdout
    assert plot.stat().st_size > 5000


def test_learning_curve_is_json_alone(run_tl: Run, photos: Path) -> None:
    done = run_tl("learning-curve", str(photos), "--backbone", "mini", "--head", "prototype", "--repeats", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["extrapolation"]["answer"].endswith("%.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--backbones", "mini", "--recommend", "fast"], "limits are written like 'cpu 50 ms'"),
     (["--backbones", "mini,mini"], "backbone 'mini' is named twice"),
     (["--backbones", "mini,", "--heads", "linear"], "name a backbone or more"),
     (["--backbones", "mini", "--minutes", "0"], "0.0 is not in the range"),
     (["--backbones", "mini", "--heads", "linea"], "did you mean 'linear'")],
    ids=["limits", "twice", "empty-name", "no-time", "unknown-head"],
)  # fmt: skip
def test_bad_requests_are_one_line(run_tl: Run, photos: Path, arguments: list[str], told: str) -> None:
    done = run_tl("compare", str(photos), *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
