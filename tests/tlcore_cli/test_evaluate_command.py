"""``tl evaluate``: its outputs, and what it says when something is wrong."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from tests.conftest import draw_shape
from tlcore import Preprocess, TrainResult
from tlcore.errors import TlcoreError
from tlcore_cli.command import Settings
from tlcore_cli.main import tl

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


@pytest.fixture(params=["bundle", "ONNX file"])
def model(request: pytest.FixtureRequest, trained: TrainResult, exported: Path) -> str:
    return str(trained.bundle.path if request.param == "bundle" else exported)


def photos(root: Path, **folders: str) -> str:
    """Write a folder of four shapes for each name; one of no shape stays empty."""
    for place, (name, shape) in enumerate(folders.items()):
        (root / name).mkdir(parents=True)
        for index in range(4 if shape else 0):
            draw_shape(shape, 600 + 10 * place + index).save(root / name / f"{index}.png")
    return str(root)


def evaluated(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(tl, ["evaluate", *arguments, "--no-audit", "--json"], obj=Settings(), prog_name="tl")
    if done.exception is not None:
        raise done.exception
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("folders", "options", "right"),
    [
        ({"square": "square"}, (), (4, 4)),
        ({"square": "square", "circle": "circle", "bar": ""}, (), (8, 8)),
        ({"bar": "bar", "circle": "circle", "square": "square", "heptagon": "bar"}, (), (12, 16)),
        ({"bar": "bar", "heptagon": "bar"}, ("--unknown-classes", "leave-out"), (4, 4)),
        ({"stick": "bar", "ring": "circle"}, ("--map", "stick=bar", "--map", "ring=circle"), (8, 8)),
        ({"Square": "square", "Bar": "bar"}, ("--map", "Square=square", "--map", "Bar=bar"), (8, 8)),
        ({"a-square": "square", "z-bar": "bar"}, ("--map", "a-square=square", "--map", "z-bar=bar"), (8, 8)),
    ],
    ids=["subset", "empty class", "superset", "superset left out", "other names", "other case", "other order"],
)
def test_classes_that_differ_are_matched(
    folders: dict[str, str], options: tuple[str, ...], right: tuple[int, int], model: str, tmp_path: Path
) -> None:
    found = evaluated(model, photos(tmp_path / "photos", **folders), *options)
    top1 = found["metrics"]["top1"]  # type: ignore[index]
    assert top1["total"] == right[1] and right[0] - 2 <= top1["correct"] <= right[0], top1


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (
            {"kitten": "bar", "puppy": "circle"},
            r"none of its classes \(kitten, puppy\) is one of the model's; .*--map NAME=CLASS",
        ),
        ({"Square": "square", "bar": "bar"}, r"class 'Square' is not one of the model's; did you mean 'square'\?"),
        ({"square": "", "bar": ""}, "there are no images in it|no images found"),
    ],
    ids=["other names", "other case", "nothing but empty classes"],
)
def test_classes_that_do_not_fit_are_told(folders: dict[str, str], told: str, model: str, tmp_path: Path) -> None:
    with pytest.raises(TlcoreError, match=told):
        evaluated(model, photos(tmp_path / "photos", **folders))


def test_one_image_and_its_report(model: str, tmp_path: Path) -> None:
    (tmp_path / "photos" / "bar").mkdir(parents=True)
    draw_shape("bar", 700).save(tmp_path / "photos" / "bar" / "1.png")
    found = evaluated(model, str(tmp_path / "photos"), "--report", str(tmp_path / "report.html"))
    assert found["images"] == 1 and (tmp_path / "report.html").stat().st_size > 10_000


def test_photos_without_labels_are_told_to_be_so_by_an_onnx_file_too(model: str, tmp_path: Path) -> None:
    draw_shape("bar", 1).save(tmp_path / "1.png")
    with pytest.raises(TlcoreError, match="holds no class folders"):
        evaluated(model, str(tmp_path))


def test_an_onnx_file_that_answers_no_number_is_told(plain_onnx: Path, tmp_path: Path) -> None:
    broken = onnx.load(plain_onnx)
    weight = onnx.numpy_helper.to_array(broken.graph.initializer[0]).copy()
    weight[0] = np.nan
    broken.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w"))
    onnx.save_model(broken, tmp_path / "broken.onnx")
    (tmp_path / "record.json").write_text(json.dumps(Preprocess(image_size=(8, 8)).to_dict()))
    data = photos(tmp_path / "photos", **{"0": "bar", "1": "circle"})
    with pytest.raises(TlcoreError, match=r"broken\.onnx returned .* not finite; are its weights whole"):
        evaluated(str(tmp_path / "broken.onnx"), data, "--preprocess", str(tmp_path / "record.json"))
