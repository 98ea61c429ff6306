"""``tl export``, ``inspect``, ``predict model.onnx``, ``bench`` and what they say when something is wrong."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tlcore import TrainResult

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_export_then_inspect_then_predict(run_tl: Run, trained: TrainResult, shapes: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    ran = run_tl("export", str(trained.bundle.path), "-o", str(target), "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["record"]["labels"] == ["bar", "circle", "square"]
    assert result["record"]["checks"]["gate"]["pixel_levels"] == 0
    told = run_tl("inspect", str(target)).stdout
    for line in (
        f"digest      {result['digest']} (verified)",
        "labels      3: bar, circle, square",
        "opset 20",
        "input       images",
    ):
        assert line in told, told
    assert json.loads(run_tl("inspect", str(target), "--json").stdout)["graph"]["parameters"] > 300_000
    photo = sorted((shapes / "square").glob("*.png"))[0]
    found = json.loads(run_tl("predict", str(target), str(photo), "--json").stdout)
    expected = json.loads(run_tl("predict", str(trained.bundle.path), str(photo), "--json").stdout)
    assert found["classes"][0]["class"] == expected["classes"][0]["class"] == "square"
    assert found["classes"][0]["probability"] == pytest.approx(expected["classes"][0]["probability"], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "nothing"), "nothing: there is no such bundle"),
        (("inspect", "none.onnx"), "none.onnx: there is no such file; 'tl export' makes one"),
        (("predict", "none.onnx", "."), "no images found in this folder"),
        (("bench", "none.onnx"), "none.onnx: there is no such file"),
        (("serve", "a/b=x.onnx"), "is no name for a model; write NAME=FILE"),
        (("serve", "x.onnx", "--token-file", "gone"), "gone: the token cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line(run_tl: Run, arguments: tuple[str, ...], told: str) -> None:
    ran = run_tl(*arguments)
    assert ran.returncode == 2 and told in ran.stderr and len(ran.stderr.strip().splitlines()) == 1, ran.stderr


def test_bench_measures_both_ways(run_tl: Run, exported: Path) -> None:
    pytest.importorskip("uvicorn")
    ran = run_tl("bench", str(exported), "--http", "--seconds", "0.3", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert set(found) == {"in process", "HTTP"}
    assert all(entry["images_per_second"] > 1 and entry["latency_ms"]["p50"] > 0 for entry in found.values())
