"""``tl evaluate``: its outputs, and what it says when something is wrong."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import draw_shape
from tlcore import TrainResult

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the three classes the bundle knows, and one it does not."""
    root = tmp_path_factory.mktemp("others")
    for index, shape in enumerate(["square", "circle"] * 5):
        (root / shape).mkdir(exist_ok=True)
        draw_shape(shape, 300 + index).save(root / shape / f"{index}.png")
    (root / "heptagon").mkdir()
    draw_shape("bar", 400).save(root / "heptagon" / "0.png")
    return root


def test_a_report_plots_and_json_at_once(run_tl: Run, trained: TrainResult, others: Path, tmp_path: Path) -> None:
    report, plots = tmp_path / "out" / "r.html", tmp_path / "plots"
    ran = run_tl(
        "evaluate", str(trained.bundle.path), str(others), "--json", "--report", str(report), "--plots", str(plots),
        "--false-alarms", "0.1",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["images"], found["unknown_classes"], found["absent_classes"]) == (11, ["heptagon"], ["bar"])
    assert found["quality"]["brier"]["low"] < found["quality"]["brier"]["value"] < found["quality"]["brier"]["high"]
    page = report.read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page and f"tl evaluate {trained.bundle.path}" in page
    assert {path.name for path in plots.iterdir()} >= {"confusion.png", "reliability.png"}
    assert f"report: {report}" in ran.stderr and f"plots: {plots}" in ran.stderr


def test_what_people_read(run_tl: Run, trained: TrainResult, others: Path) -> None:
    ran = run_tl("evaluate", str(trained.bundle.path), str(others), "--unknown-classes", "leave-out")
    assert ran.returncode == 0, ran.stderr
    assert "10 images" in ran.stdout and "macro F1" in ran.stdout and "labels: " in ran.stdout
    assert "the model cannot know heptagon: 1 images of them are left out" in ran.stderr
    assert "unfamiliar images: not measured" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--map", "square"), "--map takes NAME=CLASS, for instance tabby=cat, got 'square'"),
        (("--false-alarms", "2"), "the false-alarm rate must lie between 0 and 1, got 2.0"),
        (("--report", "."), "is a directory; name a file"),
        (("--split", "test"), "has no split 'test'; it has: all"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_one_line(
    run_tl: Run, trained: TrainResult, others: Path, arguments: tuple[str, ...], told: str
) -> None:
    ran = run_tl("evaluate", str(trained.bundle.path), str(others), *arguments)
    assert ran.returncode == 2 and told in ran.stderr and len(ran.stderr.strip().splitlines()) == 1, ran.stderr


def test_photos_without_classes_are_told_to_be_so(run_tl: Run, trained: TrainResult, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    draw_shape("bar", 1).save(tmp_path / "flat" / "1.png")
    ran = run_tl("evaluate", str(trained.bundle.path), str(tmp_path / "flat"))
    assert ran.returncode == 2 and "holds no class folders" in ran.stderr
