"""The commands that look into networks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tlcore import TrainResult
from tlcore.errors import TlcoreError
from tlcore_cli.main import tl

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_bundle_is_looked_into(run_tl: Run, trained: TrainResult, shapes: Path, tmp_path: Path) -> None:
    bundle = str(trained.bundle.path)
    done = run_tl(
        "ideal", bundle, "--class", "circle", "--class", "1", "--steps", "3", "--set", "ideal.tv=2", "--frames",
        "--dataset", str(shapes), "--natural", "1", "--judge", bundle, "--out", "drawn",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "circle.png" in done.stdout
    assert "saved to drawn; contact-sheet.png shows all of it" in done.stderr
    folder = tmp_path / "cwd" / "drawn"
    assert sorted(file.name for file in folder.iterdir()) == ["circle natural 1.png", "circle.gif", "circle.png", "contact-sheet.png", "record.json"]  # fmt: skip
    record = json.loads((folder / "record.json").read_text())
    assert record["options"] == {"steps": "3", "natural": "1", "tv": "2"}
    again = run_tl("ideal", bundle, "--class", "circle", "--out", "drawn")
    assert (again.returncode, again.stderr) == (2, "tl: drawn: holds earlier pictures; --overwrite replaces them, --out DIR goes elsewhere\n")  # fmt: skip
    long = run_tl("visualize", "ideal", bundle, "--class", "circle", "--set", "visualizer.steps=2", "--json", "--out", "drawn", "--overwrite")  # fmt: skip
    document = json.loads(long.stdout)
    assert document["pictures"][0]["file"] == "circle.png"
    assert document["result"]["drawn"][0]["scores"][0]["own"] <= 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("ideal", "BUNDLE"), "an ideal image is one of a class: name it (--class zebra)"),
        (("ideal", "BUNDLE", "--class", "cirkle"), "has no class 'cirkle'; did you mean 'circle'?"),
        (("ideal", "BUNDLE", "--class", "circle", "--steps", "many"), "option 'steps' must be a whole number, got 'many'"),
        (
            ("ideal", "BUNDLE", "--class", "circle", "--set", "idle.steps=1"),
            "there is no 'idle' here; did you mean 'ideal'?",
        ),
        (("ideal", "timm/test_resnett", "--class", "1"), "timm has no model 'test_resnett'; did you mean 'test_resnet'?"),
        (("visualize", "idael", "BUNDLE"), "unknown visualizer 'idael'; did you mean 'ideal'?"),
        (("ideal", "BUNDLE", "nowhere.png", "--class", "circle"), "nowhere.png: there is no such image, folder or match"),
        (("ideal", "nowhere", "--class", "circle"), "unknown backbone 'nowhere'"),
        (("ideal", "BUNDLE", "--class", "circle", "--companion", "mini"), "companion mini has no class 'circle'"),
        (("ideal", "BUNDLE", "--class", "circle", "--companion", "minni"), "unknown backbone 'minni'; did you mean 'mini'?"),
        (
            ("ideal", "BUNDLE", "--class", "circle", "--companion", "none", "--companion", "mini"),
            "'--companion none' draws by one network alone: leave it or the others out",
        ),
        (
            ("features", "BUNDLE", "--companion", "mini"),
            "features looks at one network alone: leave the companion 'mini' out",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_one_line(trained: TrainResult, arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = [argument.replace("BUNDLE", str(trained.bundle.path)) for argument in arguments]
    with pytest.raises(TlcoreError) as error:
        tl.main(given, prog_name="tl", standalone_mode=False)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert [*tmp_path.iterdir()] == []


INTERRUPTED = """
import os, signal, sys
from contextlib import contextmanager
from tlcore_cli import terminal

@contextmanager
def progress(quiet):
    yield lambda event: os.kill(os.getpid(), signal.SIGINT) if event.done == 3 else None

terminal.progress = progress
from tlcore_cli.main import main
main(sys.argv[1:])
"""


def test_ctrl_c_saves_the_best_so_far(trained: TrainResult, tmp_path: Path) -> None:
    arguments = ["ideal", str(trained.bundle.path), "--class", "circle", "--steps", "9", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, *arguments], capture_output=True, text=True, timeout=200)
    assert done.returncode == 130
    assert f"interrupted; the best so far is in {tmp_path / 'out'}" in done.stderr
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["result"]["drawn"][0]["steps"] == 3
    with Image.open(tmp_path / "out" / "circle.png") as image:
        assert list(image.size) == record["result"]["size"]


def test_help_lists_the_options_of_the_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    tl.main(["ideal", "--help"], prog_name="tl", standalone_mode=False)
    told = capsys.readouterr().out
    assert "--learning-rate" in told
    assert "--neuron / --no-neuron" in told
